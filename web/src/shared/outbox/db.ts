import type { Entry } from './machine'

const STORE = 'entries'

export interface OutboxDb {
  all(): Promise<Entry[]>
  put(entry: Entry): Promise<void>
  remove(cid: string): Promise<void>
}

/** One database per user: signing in as somebody else must not send what another person wrote. */
export async function openOutbox(user: string): Promise<OutboxDb> {
  try {
    return durable(await open(`parley.outbox.${user}`))
  } catch {
    // Blocked storage costs only the survival of a reload; sending must go on.
    return volatile()
  }
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(name, 1)
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: 'cid' })
    asked.onsuccess = () => resolve(asked.result)
    asked.onerror = () => reject(asked.error)
    asked.onblocked = () => reject(new Error('blocked'))
  })
}

function durable(db: IDBDatabase): OutboxDb {
  const run = <T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction(STORE, mode)
      const asked = act(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(asked.result)
      transaction.onerror = () => reject(transaction.error)
      transaction.onabort = () => reject(transaction.error)
    })
  return {
    all: () => run('readonly', (store) => store.getAll() as IDBRequest<Entry[]>),
    put: async (entry) => void (await run('readwrite', (store) => store.put(entry))),
    remove: async (cid) => void (await run('readwrite', (store) => store.delete(cid))),
  }
}

export function volatile(): OutboxDb {
  const held = new Map<string, Entry>()
  return {
    all: async () => [...held.values()],
    put: async (entry) => void held.set(entry.cid, entry),
    remove: async (cid) => void held.delete(cid),
  }
}
