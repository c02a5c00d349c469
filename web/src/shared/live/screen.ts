import { createStore } from 'zustand/vanilla'

type Schedule = (show: () => void) => void

/** A page that nobody looks at gets no animation frames, also one it had asked for before, but must still keep up. */
const HIDDEN_MS = 250

const onNextFrame: Schedule = (show) => {
  const run = () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
    show()
  }
  const frame = requestAnimationFrame(run)
  const timer = setTimeout(run, HIDDEN_MS)
}

/** Changes count at once and are shown together, once per animation frame, however many come in between. */
export function createScreen(schedule: Schedule = onNextFrame) {
  const changed = new Set<() => void>()
  const followers = new Set<() => void>()

  function add(runs: Set<() => void>, run: () => void): void {
    if (changed.size + followers.size === 0) schedule(showAll)
    runs.add(run)
  }

  function showAll(): void {
    const runs = [...changed, ...followers]
    changed.clear()
    followers.clear()
    for (const run of runs) run()
  }

  return {
    /** Runs once in the next frame, after all that changed: what it flushes is one commit with that. */
    follow: (run: () => void) => add(followers, run),
    /** `get` and `set` are what counts; `store` is what is on the screen. */
    show<T extends object>(initial: T) {
      const store = createStore<T>(() => initial)
      const show = () => store.setState(held, true)
      let held = initial
      return {
        store,
        get: () => held,
        set(patch: Partial<T>): void {
          held = { ...held, ...patch }
          add(changed, show)
        },
      }
    },
  }
}
export type Screen = ReturnType<typeof createScreen>
