import { useMutation } from '@tanstack/react-query'
import { request } from '@/shared/api/http'
import { Problem } from '@/shared/api/problem'

/** `onSignedOut` is told even where the menu is gone by then: the socket may have been closed first. */
export const useSignOut = (onSignedOut: () => void) =>
  useMutation<void, Error, void>({
    onSuccess: onSignedOut,
    mutationFn: async () => {
      try {
        await request('/auth/sign-out', null, { method: 'POST' })
      } catch (error) {
        // A session that is already over is what was wanted.
        if (!(error instanceof Problem && error.status === 401)) throw error
      }
    },
  })
