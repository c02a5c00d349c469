import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { arr, bool, type Infer, obj, str } from '@/shared/api/shape'

const session = obj({ id: str, current: bool, agent: str, created_at: str, last_seen_at: str })
export type Session = Infer<typeof session>

const sessions = obj({ items: arr(session) })

/** Always asked anew: what happens at other devices is not told to this one. */
export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: ({ signal }) => request('/me/sessions', sessions, { signal }),
  select: ({ items }) => items,
  staleTime: 0,
})

export function useRevokeSession() {
  const client = useQueryClient()
  return useMutation<void, Error, string>({
    mutationFn: (id) => request(`/me/sessions/${id}`, null, { method: 'DELETE' }),
    onSettled: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}

export function useRevokeOthers() {
  const client = useQueryClient()
  return useMutation<void, Error, void>({
    mutationFn: () => request('/me/sessions/revoke-others', null, { method: 'POST' }),
    onSettled: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}
