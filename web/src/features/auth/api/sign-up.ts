import { useMutation } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { type Session, session } from '@/shared/api/types'

export interface NewAccount {
  user_name: string
  password: string
  display_name?: string
}

export const useSignUp = () =>
  useMutation<Session, Error, NewAccount>({
    mutationFn: (body) =>
      request('/auth/sign-up', session, { method: 'POST', body: { ...body, session: 'cookie' }, refresh: false }),
  })
