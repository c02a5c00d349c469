import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { hintSignedIn, meQuery } from '@/shared/session/me'
import { safeNext } from '@/shared/session/next'

/** After signing in or up: on to where the person was going. */
export function useSignedIn(next: string | undefined) {
  const client = useQueryClient()
  const router = useRouter()
  return () => {
    hintSignedIn(true)
    client.removeQueries({ queryKey: meQuery.queryKey })
    router.history.push(safeNext(next))
  }
}
