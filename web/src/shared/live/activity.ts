import { createStore } from 'zustand/vanilla'

/** When rooms moved since this page was opened: the list puts what is newest first. */
export function createActivity() {
  const store = createStore(() => ({ rooms: {} as Readonly<Record<string, number>> }))
  return {
    store,
    moved: (room: string) => store.setState((state) => ({ rooms: { ...state.rooms, [room]: Date.now() } })),
  }
}
