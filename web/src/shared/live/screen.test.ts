import { expect, test, vi } from 'vitest'
import { createScreen } from './screen'

test('changes count at once, and are shown together in one frame, before what follows them', () => {
  const scheduled: (() => void)[] = []
  const screen = createScreen((show) => scheduled.push(show))
  const a = screen.show({ n: 0, kept: true })
  const b = screen.show({ n: 0 })
  const log: string[] = []
  a.store.subscribe(({ n, kept }) => log.push(`a ${n} ${kept}`))
  b.store.subscribe(({ n }) => log.push(`b ${n}`))
  const follow = () => log.push('followed')

  screen.follow(follow)
  for (let n = 1; n <= 20; n++) a.set({ n })
  b.set({ n: 7 })
  screen.follow(follow)
  expect([a.get().n, a.store.getState().n, scheduled.length]).toEqual([20, 0, 1])
  scheduled[0]?.()
  expect(log).toEqual(['a 20 true', 'b 7', 'followed'])

  b.set({ n: 8 })
  scheduled[1]?.()
  expect(log.slice(3)).toEqual(['b 8'])
})

test('a page that is hidden before the frame it waits for comes is shown what changed all the same', () => {
  vi.useFakeTimers()
  vi.stubGlobal('requestAnimationFrame', () => 1)
  vi.stubGlobal('cancelAnimationFrame', () => {})
  const { store, set } = createScreen().show({ n: 0 })
  set({ n: 1 })
  vi.advanceTimersByTime(1_000)
  expect(store.getState().n).toBe(1)
  vi.unstubAllGlobals()
  vi.useRealTimers()
})
