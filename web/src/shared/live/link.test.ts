import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { SocketClient } from '../socket/client'
import { createLink } from './link'

const asked: unknown[] = []
const client = () =>
  ({ request: async (frame: unknown) => void asked.push(frame) }) as unknown as Pick<
    SocketClient,
    'request'
  > as SocketClient
const page = { visibilityState: 'visible' }

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('document', page)
  page.visibilityState = 'visible'
  asked.length = 0
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('a resume that brought one room anew is not told as a gapless one', () => {
  const link = createLink(client)
  link.welcomed({ gateway: 'g-1', resume: 'accepted' })
  expect(link.store.getState()).toMatchObject({ gateway: 'g-1', origin: 'resumed' })
  link.resynced()
  expect(link.store.getState().origin).toBe('resynced')
  link.welcomed({ gateway: 'g-2', resume: 'none' })
  expect(link.store.getState()).toMatchObject({ gateway: 'g-2', origin: 'fresh' })
})

test('the time to the log is not a round trip', () => {
  const link = createLink(client)
  link.answered('hello', 4)
  link.answered('send', 900)
  link.answered('history', 300)
  expect(link.store.getState().roundTripMs).toBe(4)
})

test('measured while it is read, not in a hidden window, and no more after it was closed', async () => {
  const link = createLink(client)
  const stop = link.measure()
  expect(asked).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(asked).toHaveLength(2)
  page.visibilityState = 'hidden'
  await vi.advanceTimersByTimeAsync(5_000)
  expect(asked).toHaveLength(2)
  page.visibilityState = 'visible'
  stop()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toHaveLength(2)
})
