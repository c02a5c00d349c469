import { queryOptions } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { Problem } from '@/shared/api/problem'
import { room } from '@/shared/api/types'
import { roomKeys } from './keys'

export const roomQuery = (id: string) =>
  queryOptions({
    queryKey: roomKeys.one(id),
    queryFn: ({ signal }) => request(`/rooms/${encodeURIComponent(id)}`, room, { signal }),
    retry: (count, error) => count < 2 && !(error instanceof Problem && error.status < 500),
  })

/** No access and no such room are one answer, and one page. */
export const isMissing = (error: unknown) => error instanceof Problem && [400, 403, 404].includes(error.status)
