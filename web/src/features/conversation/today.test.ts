import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { untilMidnight, watchDay } from './today'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date(2026, 10, 27, 23, 59, 30) })
  vi.stubGlobal('document', { addEventListener: () => {}, removeEventListener: () => {} })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('the day ends in the zone of the person', () => {
  expect(untilMidnight(Date.now())).toBe(30_001)
})

test('at midnight an open page is told, once a day', () => {
  const told = vi.fn()
  const stop = watchDay(told)
  told.mockClear()
  vi.advanceTimersByTime(29_000)
  expect(told).not.toHaveBeenCalled()
  vi.advanceTimersByTime(2_000)
  expect(told).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(24 * 60 * 60_000)
  expect(told).toHaveBeenCalledTimes(2)
  stop()
})
