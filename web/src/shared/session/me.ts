import { queryOptions } from '@tanstack/react-query'
import { request } from '../api/http'
import { type Me, me } from '../api/types'

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }): Promise<Me> => request('/me', me, { signal }),
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
})

const HINT = 'parley.signed-in'

/** Only a hint that asking is worth it: visitors' first page then needs no request that must fail. The cookie decides. */
export function hintSignedIn(signedIn: boolean): void {
  try {
    if (signedIn) localStorage.setItem(HINT, '1')
    else localStorage.removeItem(HINT)
  } catch {
    // Without storage a signed-in visitor sees the public pages first; nothing breaks.
  }
}

export function mayBeSignedIn(): boolean {
  try {
    return localStorage.getItem(HINT) === '1'
  } catch {
    return false
  }
}
