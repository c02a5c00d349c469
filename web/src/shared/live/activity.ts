import type { Screen } from './screen'

/** When rooms moved since this page was opened: the list puts what is newest first. */
export function createActivity(screen: Screen) {
  const { store, get, set } = screen.show({ rooms: {} as Readonly<Record<string, number>> })
  return {
    store,
    moved: (room: string) => set({ rooms: { ...get().rooms, [room]: Date.now() } }),
  }
}
