import { QueryCache, QueryClient } from '@tanstack/react-query'
import { Problem } from '@/shared/api/problem'

type Listener = () => void
const listeners = new Set<Listener>()

/** Called when a request found that the session is over: `request` has tried to refresh it already. */
export function onSessionEnded(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof Problem && error.status === 401) for (const listener of listeners) listener()
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (count, error) => count < 2 && !(error instanceof Problem && error.status < 500),
    },
  },
})
