import { useEffect, useState } from 'react'

const PAUSE_MS = 200

/** The value once typing has paused, so that not every letter is a request. */
export function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
