import type { Timeline } from '../timeline/timeline'
import type { Screen } from './screen'

export interface RoomsView {
  rooms: Readonly<Record<string, Timeline>>
  /** Rooms that the server told us to forget. */
  gone: Readonly<Record<string, true>>
}

/** What is held of each room that is followed. */
export function createTimelines(screen: Screen) {
  const { store, get, set } = screen.show<RoomsView>({ rooms: {}, gone: {} })

  return {
    store,
    get: (room: string): Timeline | undefined => get().rooms[room],
    set(room: string, timeline: Timeline) {
      const { rooms } = get()
      if (rooms[room] !== timeline) set({ rooms: { ...rooms, [room]: timeline } })
    },
    drop(room: string) {
      const { [room]: held, ...rooms } = get().rooms
      if (held) set({ rooms })
    },
    setGone(room: string, isGone: boolean) {
      const { [room]: was = false, ...others } = get().gone
      if (was !== isGone) set({ gone: isGone ? { ...others, [room]: true } : others })
    },
    /** The connection is gone: what is held stays on the screen, but nothing follows. */
    suspend() {
      const rooms = Object.entries(get().rooms)
      set({
        rooms: Object.fromEntries(rooms.map(([room, held]) => [room, held.live ? { ...held, live: false } : held])),
      })
    },
  }
}
export type Timelines = ReturnType<typeof createTimelines>
