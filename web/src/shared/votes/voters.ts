import { infiniteQueryOptions } from '@tanstack/react-query'
import { query, request } from '../api/http'
import { arr, type Infer, nul, obj, oneOf, opt, str } from '../api/shape'
import { type User, user } from '../api/types'

export const voters = obj({
  items: arr(obj({ user: str, value: oneOf(-1, 1) })),
  users: arr(user),
  next: opt(nul(str)),
  previous: opt(nul(str)),
})
export interface Voter {
  id: string
  user: User | undefined
  value: -1 | 1
}

function named({ items, users }: Infer<typeof voters>): Voter[] {
  const known = new Map(users.map((user) => [user.id, user]))
  return items.map(({ user, value }) => ({ id: user, user: known.get(user), value }))
}

export const votersQuery = (room: string, message: string) =>
  infiniteQueryOptions({
    queryKey: ['voters', room, message],
    queryFn: ({ pageParam, signal }) =>
      request(
        `/rooms/${encodeURIComponent(room)}/messages/${encodeURIComponent(message)}/votes${query({ cursor: pageParam, limit: 50 })}`,
        voters,
        { signal },
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? null,
    select: (data) => data.pages.flatMap(named),
    // Whoever opens the list wants to see who voted by now.
    staleTime: 0,
  })
