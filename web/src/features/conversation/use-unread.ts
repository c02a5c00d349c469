import type { Virtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback, useEffect, useLayoutEffect, useMemo, useRef } from 'react'
import { useLive, useRoomReads } from '@/shared/live/context'
import { unreadOf } from '@/shared/live/reads'
import { type Held, indexOfNumber, numberIn } from '@/shared/timeline/numbers'

/** A glance at a room that one opens is not reading it. */
const DWELL_MS = 700
const SLACK_PX = 8

type List = Virtualizer<HTMLElement, Element>

/** Which row stands first below “New”. */
export function useLine(room: string, held: Held): number | null {
  const line = useRoomReads(room)?.line ?? null
  return useMemo(() => (line === null ? null : firstAfter(held, line)), [held, line])
}

/** What is unread, and whether its beginning lies above what is on the screen. */
export function useUnread(room: string, held: Held, list: List, scroller: RefObject<HTMLElement | null>) {
  const reads = useRoomReads(room)
  const firstUnread = useMemo(() => (reads ? firstAfter(held, reads.read) : null), [held, reads])
  useSaw(room, held, list, scroller)
  const unread = unreadOf(reads)
  const top = firstInView(list, scroller.current)
  // Unknown: it is above what is held.
  const above = unread > 0 && (firstUnread === null || (top !== null && firstUnread < top))
  return { firstUnread, unread, above }
}

/** The row of the message after this number; null where that is not held, or there is none. */
function firstAfter(held: Held, number: number): number | null {
  const index = indexOfNumber(held, number + 1)
  if (index === null || index === held.items.length) return null
  return numberIn(held, index) === number + 1 ? index : null
}

export function firstInView(list: List, element: HTMLElement | null): number | null {
  const top = element?.scrollTop ?? list.scrollOffset ?? 0
  return list.getVirtualItems().find((row) => row.end > top + SLACK_PX)?.index ?? null
}

/** Tells what is on the screen, each time it is something else. */
function useSaw(room: string, held: Held, list: List, scroller: RefObject<HTMLElement | null>) {
  const live = useLive()
  const ready = useRef(false)
  const look = useCallback(() => {
    const element = scroller.current
    if (!ready.current || !element) return
    const bottom = element.scrollTop + element.clientHeight + SLACK_PX
    const first = firstInView(list, element)
    const last = list.getVirtualItems().findLast((row) => row.end <= bottom)?.index
    if (first === null || last === undefined) return
    const [from, to] = [numberIn(held, first), numberIn(held, last)]
    if (from !== null && to !== null) live.saw(room, from, to)
  }, [live, room, held, list, scroller])
  const current = useRef(look)
  useLayoutEffect(() => {
    current.current = look
    look()
  }, [look])
  useEffect(() => {
    const element = scroller.current
    const run = () => current.current()
    const timer = setTimeout(() => {
      ready.current = true
      run()
    }, DWELL_MS)
    element?.addEventListener('scroll', run, { passive: true })
    document.addEventListener('visibilitychange', run)
    return () => {
      clearTimeout(timer)
      element?.removeEventListener('scroll', run)
      document.removeEventListener('visibilitychange', run)
    }
  }, [scroller])
}
