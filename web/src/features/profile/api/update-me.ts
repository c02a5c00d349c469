import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { type Me, me } from '@/shared/api/types'
import { useLive } from '@/shared/live/context'
import { meQuery } from '@/shared/session/me'

export interface ProfileChange {
  display_name?: string
  status_text?: string
}

export function useUpdateMe() {
  const client = useQueryClient()
  const live = useLive()
  return useMutation<Me, Error, ProfileChange>({
    mutationFn: (body) => request('/me', me, { method: 'PATCH', body }),
    onSuccess: (answer) => {
      client.setQueryData(meQuery.queryKey, answer)
      live.learnPeople([answer.user])
    },
  })
}
