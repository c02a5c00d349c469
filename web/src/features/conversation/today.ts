import { useSyncExternalStore } from 'react'
import { dayKey } from '@/shared/text/time'

type Listener = () => void
const listeners = new Set<Listener>()
let now = Date.now()
let timer: ReturnType<typeof setTimeout> | undefined

/** Timers sleep with the machine, so that a look is also taken whenever the page is shown again. */
export function look(): void {
  if (dayKey(Date.now()) !== dayKey(now)) {
    now = Date.now()
    for (const listener of listeners) listener()
  }
  clearTimeout(timer)
  if (listeners.size > 0) timer = setTimeout(look, untilMidnight(Date.now()))
}

export function untilMidnight(at: number): number {
  const midnight = new Date(at)
  midnight.setHours(24, 0, 0, 0)
  return midnight.getTime() - at + 1
}

export function watchDay(listener: Listener): () => void {
  if (listeners.size === 0) document.addEventListener('visibilitychange', look)
  listeners.add(listener)
  look()
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', look)
  }
}

/** A moment of today: what says “Today” says “Yesterday” after midnight, with the page still open. */
export const useToday = () => useSyncExternalStore(watchDay, () => now)
