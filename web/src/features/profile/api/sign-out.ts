import { useMutation } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { Problem } from '@/shared/api/problem'

export const useSignOut = () =>
  useMutation<void, Error, void>({
    mutationFn: async () => {
      try {
        await request('/auth/sign-out', null, { method: 'POST' })
      } catch (error) {
        // A session that is already over is what was wanted.
        if (!(error instanceof Problem && error.status === 401)) throw error
      }
    },
  })
