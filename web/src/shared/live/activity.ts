import { createStore } from 'zustand/vanilla'

interface RoomActivity {
  at: number
  unread: boolean
}

/** Which rooms moved since this page was opened, and which of them were not looked at since. */
export function createActivity(onRead: (room: string) => void) {
  const store = createStore(() => ({ rooms: {} as Readonly<Record<string, RoomActivity>> }))
  let viewed: string | null = null

  function set(room: string, activity: RoomActivity): void {
    store.setState((state) => ({ rooms: { ...state.rooms, [room]: activity } }))
  }

  const isWatched = (room: string) => room === viewed && document.visibilityState === 'visible'

  function moved(room: string, byMe: boolean): void {
    const unread = !byMe && !isWatched(room)
    set(room, { at: Date.now(), unread: unread || (store.getState().rooms[room]?.unread === true && !isWatched(room)) })
  }

  /** The room on the screen is read as far as it goes. */
  function look(): void {
    if (!viewed || !isWatched(viewed)) return
    onRead(viewed)
    const held = store.getState().rooms[viewed]
    if (held?.unread !== false) set(viewed, { at: held?.at ?? 0, unread: false })
  }

  function view(room: string | null): void {
    viewed = room
    look()
  }

  return { store, moved, view, look, isWatched }
}
export type Activity = ReturnType<typeof createActivity>
