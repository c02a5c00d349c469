import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { useLive } from '@/shared/live/context'
import { roomKeys } from './keys'

export function useLeaveRoom() {
  const client = useQueryClient()
  const live = useLive()
  return useMutation<void, Error, string>({
    mutationFn: (id) => request(`/rooms/${encodeURIComponent(id)}/leave`, null, { method: 'POST' }),
    onSuccess: (_, id) => {
      live.leave(id)
      client.removeQueries({ queryKey: roomKeys.one(id) })
      void client.invalidateQueries({ queryKey: roomKeys.all })
    },
  })
}
