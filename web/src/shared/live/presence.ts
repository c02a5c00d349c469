import { createStore } from 'zustand/vanilla'
import type { FrameOf } from '../socket/protocol'

export interface RoomPresence {
  readonly online: number
  /** Who; null in large rooms, where only their number is told. */
  readonly users: ReadonlySet<string> | null
}

/** Who is online where, as the server last said it. Without a connection nobody knows. */
export function createPresence() {
  const store = createStore(() => ({ rooms: {} as Readonly<Record<string, RoomPresence>> }))

  function told({ room, online, users }: FrameOf<'presence'>): void {
    const { [room]: _, ...others } = store.getState().rooms
    // 0: nobody can say just now. Whoever looks is online.
    const known = online > 0 ? { ...others, [room]: { online, users: users ? new Set(users) : null } } : others
    store.setState({ rooms: known })
  }

  return { store, told, forget: () => store.setState({ rooms: {} }) }
}
