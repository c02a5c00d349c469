import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { type Room, room } from '@/shared/api/types'
import { useLive } from '@/shared/live/context'
import { roomKeys } from './keys'

export function useJoinRoom() {
  const client = useQueryClient()
  const live = useLive()
  return useMutation<Room, Error, string>({
    mutationFn: (id) => request(`/rooms/${encodeURIComponent(id)}/join`, room, { method: 'POST' }),
    onSuccess: (joined) => {
      live.joined(joined)
      client.setQueryData(roomKeys.one(joined.id), joined)
      void client.invalidateQueries({ queryKey: roomKeys.mine })
      void client.invalidateQueries({ queryKey: ['rooms', 'directory'] })
    },
  })
}
