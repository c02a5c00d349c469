import { queryOptions } from '@tanstack/react-query'
import { query, request } from '@/shared/api/http'
import { arr, obj } from '@/shared/api/shape'
import { user } from '@/shared/api/types'
import { item, tallies } from '@/shared/socket/protocol'

const top = obj({ items: arr(item), users: arr(user), tallies })

export const periods = ['day', 'week', 'month', 'all'] as const
export type Period = (typeof periods)[number]

export const topQuery = (room: string, period: Period) =>
  queryOptions({
    queryKey: ['top', room, period],
    queryFn: ({ signal }) =>
      request(`/rooms/${encodeURIComponent(room)}/top${query({ period, limit: 20 })}`, top, { signal }),
    // Votes move it all the time; whoever opens it wants to see it as it is.
    staleTime: 0,
  })
