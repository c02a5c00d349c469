import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { roomKeys } from '@/features/rooms/api/keys'
import type { Room } from '@/shared/api/types'
import type { Live } from '@/shared/live/live'

/** Whatever a list or a room's own answer says of what was read reaches the live part, once. */
export function useListedRooms(live: Live | null): void {
  const client = useQueryClient()
  useEffect(() => {
    if (!live) return
    const known = new WeakSet<object>()
    const learn = (key: readonly unknown[]) => {
      const rooms = fresh(client, key, known)
      if (rooms.length > 0) live.listed(rooms)
    }
    const cache = client.getQueryCache()
    for (const query of cache.getAll()) learn(query.queryKey)
    return cache.subscribe((event) => {
      if (event.type === 'updated' && event.action.type === 'success') learn(event.query.queryKey)
    })
  }, [client, live])
}

/** Only what was not here before: a page that was fetched long ago says nothing new when the next one comes. */
function fresh(client: QueryClient, key: readonly unknown[], known: WeakSet<object>): Room[] {
  const isNew = (of: object) => !known.has(of) && known.add(of)
  if (key[0] !== 'rooms') return []
  if (key[1] === roomKeys.mine[1]) {
    const pages = client.getQueryData<{ pages: { items: Room[] }[] }>(key)?.pages ?? []
    return pages.filter(isNew).flatMap((page) => page.items)
  }
  const one = key[1] === 'one' ? client.getQueryData<Room>(key) : undefined
  return one && isNew(one) ? [one] : []
}
