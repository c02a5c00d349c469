import { useMutation, useQueryClient } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { int, obj } from '@/shared/api/shape'
import { sessionsQuery } from './sessions'

interface Passwords {
  current_password: string
  new_password: string
}

/** The answer is how many other sessions ended. */
export function useChangePassword() {
  const client = useQueryClient()
  return useMutation<{ ended: number }, Error, Passwords>({
    mutationFn: (body) => request('/me/password', obj({ ended: int }), { method: 'PUT', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  })
}
