import { createStore } from 'zustand/vanilla'
import { query, request } from '../api/http'
import { type User, users } from '../api/types'

const BATCH_MAX = 100
const GATHER_MS = 40

/** Who is who. Live frames name senders by id only, so strangers are looked up, many at once. */
export function createPeople() {
  const store = createStore(() => ({ users: {} as Readonly<Record<string, User>> }))
  const missing = new Set<string>()
  const asked = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function learn(known: readonly User[]): void {
    if (known.length === 0) return
    store.setState((state) => ({ users: { ...state.users, ...Object.fromEntries(known.map((u) => [u.id, u])) } }))
  }

  function need(ids: Iterable<string | null | undefined>): void {
    const { users: known } = store.getState()
    for (const id of ids) if (id && !known[id] && !asked.has(id)) missing.add(id)
    if (missing.size > 0) timer ??= setTimeout(fetchMissing, GATHER_MS)
  }

  async function fetchMissing(): Promise<void> {
    timer = undefined
    const ids = [...missing].slice(0, BATCH_MAX)
    for (const id of ids) {
      missing.delete(id)
      asked.add(id)
    }
    try {
      learn((await request(`/users${query({ ids: ids.join(',') })}`, users)).items)
    } catch {
      // Asked again with their next message; until then the row shows a neutral name.
      for (const id of ids) asked.delete(id)
    }
    if (missing.size > 0) timer ??= setTimeout(fetchMissing, GATHER_MS)
  }

  return { store, learn, need, stop: () => clearTimeout(timer) }
}
export type People = ReturnType<typeof createPeople>
