import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { announcement, gatherer } from './announce'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('one message is read out, several are counted', () => {
  const ada = { name: 'Ada', text: 'Hello' }
  expect(announcement([])).toBe('')
  expect(announcement([ada])).toBe('Ada: Hello')
  expect(announcement([ada, ada])).toBe('2 new messages')
})

test('a talk that never pauses is told once a second, its last word included', () => {
  const told = vi.fn()
  const gather = gatherer(told, 1_000)
  for (let i = 0; i < 25; i++) {
    gather.more()
    vi.advanceTimersByTime(100)
  }
  expect(told).toHaveBeenCalledTimes(2)
  vi.advanceTimersByTime(1_000)
  expect(told).toHaveBeenCalledTimes(3)
  vi.advanceTimersByTime(10_000)
  expect(told).toHaveBeenCalledTimes(3)
})

test('stopped, it says nothing, and can go on afterwards', () => {
  const told = vi.fn()
  const gather = gatherer(told, 1_000)
  gather.more()
  gather.stop()
  vi.advanceTimersByTime(2_000)
  expect(told).not.toHaveBeenCalled()
  gather.more()
  vi.advanceTimersByTime(1_000)
  expect(told).toHaveBeenCalledTimes(1)
})
