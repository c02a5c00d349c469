import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { type Room, room } from '@/shared/api/types'
import { roomKeys } from './keys'

export interface NewRoom {
  name: string
  topic?: string
  visibility: 'public' | 'private'
}

export function useCreateRoom() {
  const client = useQueryClient()
  return useMutation<Room, Error, NewRoom>({
    mutationFn: (body) => request('/rooms', room, { method: 'POST', body }),
    onSuccess: (made) => {
      client.setQueryData(roomKeys.one(made.id), made)
      void client.invalidateQueries({ queryKey: roomKeys.mine })
    },
  })
}
