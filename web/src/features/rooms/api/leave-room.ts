import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { useLive } from '@/shared/live/context'
import { roomKeys } from './keys'

/** `onLeft` is not left to `mutate`: who asked may be off the screen before the answer comes, when the socket was faster. */
export function useLeaveRoom(onLeft: () => void) {
  const client = useQueryClient()
  const live = useLive()
  return useMutation<void, Error, string>({
    mutationFn: (id) => request(`/rooms/${encodeURIComponent(id)}/leave`, null, { method: 'POST' }),
    onSuccess: (_, id) => {
      live.leave(id)
      client.removeQueries({ queryKey: roomKeys.one(id) })
      void client.invalidateQueries({ queryKey: roomKeys.all })
      onLeft()
    },
  })
}
