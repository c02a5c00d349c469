import { infiniteQueryOptions } from '@tanstack/react-query'
import { query, request } from '@/shared/api/http'
import { rooms } from '@/shared/api/types'
import { roomKeys } from './keys'

export const myRoomsQuery = infiniteQueryOptions({
  queryKey: roomKeys.mine,
  queryFn: ({ pageParam, signal }) => request(`/rooms${query({ cursor: pageParam, limit: 100 })}`, rooms, { signal }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next ?? null,
  select: (data) => data.pages.flatMap((page) => page.items),
})
