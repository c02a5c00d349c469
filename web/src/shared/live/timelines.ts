import { createStore } from 'zustand/vanilla'
import type { Timeline } from '../timeline/timeline'

export interface RoomsView {
  rooms: Readonly<Record<string, Timeline>>
  /** Rooms that the server told us to forget. */
  gone: Readonly<Record<string, true>>
}

type Schedule = (publish: () => void) => void

/** A hidden page gets no animation frames, but must still keep up. */
const onNextFrame: Schedule = (publish) =>
  document.visibilityState === 'hidden' ? setTimeout(publish, 250) : requestAnimationFrame(publish)

/** Frames are applied at once and shown once per animation frame, however many came in between. */
export function createTimelines(schedule: Schedule = onNextFrame) {
  const store = createStore<RoomsView>(() => ({ rooms: {}, gone: {} }))
  const held = new Map<string, Timeline>()
  let scheduled = false

  function publish(): void {
    scheduled = false
    store.setState({ rooms: Object.fromEntries(held) })
  }

  function changed(): void {
    if (scheduled) return
    scheduled = true
    schedule(publish)
  }

  return {
    store,
    get: (room: string) => held.get(room),
    entries: () => [...held.entries()],
    set(room: string, timeline: Timeline) {
      if (held.get(room) === timeline) return
      held.set(room, timeline)
      changed()
    },
    drop(room: string) {
      if (held.delete(room)) changed()
    },
    setGone(room: string, isGone: boolean) {
      const { [room]: was = false, ...others } = store.getState().gone
      if (was === isGone) return
      store.setState({ gone: isGone ? { ...others, [room]: true } : others })
    },
    /** The connection is gone: what is held stays on the screen, but nothing follows. */
    suspend() {
      for (const [room, timeline] of held) if (timeline.live) held.set(room, { ...timeline, live: false })
      changed()
    },
  }
}
export type Timelines = ReturnType<typeof createTimelines>
