import { useCallback, useEffect, useRef, useState } from 'react'
import { sentenceOf } from '@/shared/api/problem'
import { useConnection, useLive } from '@/shared/live/context'
import { RequestLost } from '@/shared/socket/client'

/** Loads the next older page when the beginning of what is held comes near. */
export function useOlder(room: string, hasOlder: boolean, near: boolean) {
  const live = useLive()
  const online = useConnection((connection) => connection.phase === 'open')
  const [error, setError] = useState<string | null>(null)
  const [loading, setLoading] = useState(false)
  const running = useRef(false)

  const load = useCallback(async () => {
    if (running.current) return
    running.current = true
    setLoading(true)
    setError(null)
    try {
      await live.loadOlder(room)
    } catch (failure) {
      // A lost connection has its own banner, and coming back tries again.
      if (!(failure instanceof RequestLost)) setError(sentenceOf(failure))
    }
    running.current = false
    setLoading(false)
  }, [live, room])

  useEffect(() => {
    if (near && hasOlder && online && !loading && !error) void load()
  }, [near, hasOlder, online, loading, error, load])

  return { loading, error, load }
}
