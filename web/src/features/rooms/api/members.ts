import { infiniteQueryOptions } from '@tanstack/react-query'
import { query, request } from '@/shared/api/http'
import { members } from '@/shared/api/types'
import { roomKeys } from './keys'

export const membersQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: roomKeys.members(id),
    queryFn: ({ pageParam, signal }) =>
      request(`/rooms/${encodeURIComponent(id)}/members${query({ cursor: pageParam, limit: 100 })}`, members, {
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? null,
    select: (data) => data.pages.flatMap((page) => page.items),
  })
