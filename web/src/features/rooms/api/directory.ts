import { infiniteQueryOptions, keepPreviousData } from '@tanstack/react-query'
import { query, request } from '@/shared/api/http'
import { rooms } from '@/shared/api/types'
import { roomKeys } from './keys'

export const directoryQuery = (q: string) =>
  infiniteQueryOptions({
    queryKey: roomKeys.directory(q),
    queryFn: ({ pageParam, signal }) =>
      request(`/rooms/directory${query({ q, cursor: pageParam, limit: 50 })}`, rooms, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next ?? null,
    select: (data) => data.pages.flatMap((page) => page.items),
    placeholderData: keepPreviousData,
  })
