import { useMutation } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { type Session, session } from '@/shared/api/types'

export interface Credentials {
  user_name: string
  password: string
}

export const useSignIn = () =>
  useMutation<Session, Error, Credentials>({
    mutationFn: (body) =>
      request('/auth/sign-in', session, { method: 'POST', body: { ...body, session: 'cookie' }, refresh: false }),
  })
