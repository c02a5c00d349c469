import { useVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback, useEffect, useLayoutEffect } from 'react'
import type { Entry } from '@/shared/outbox/machine'
import type { Timeline } from '@/shared/timeline/timeline'
import { countRows, rowKey } from './rows'

/** Above the first row: the place where loading, or its failure, is told without moving any row. */
export const TOP_SPACE = 56
const ROW_ESTIMATE = 44
/** Within this many pixels of the end one is reading along, and is taken along. */
const AT_END = 60

export function useMessageList(
  scroller: RefObject<HTMLElement | null>,
  timeline: Timeline,
  entries: readonly Entry[],
  me: string,
) {
  const { items } = timeline
  const list = useVirtualizer({
    count: countRows(items, entries),
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_ESTIMATE,
    getItemKey: useCallback((index: number) => rowKey(items, entries, me, index), [items, entries, me]),
    anchorTo: 'end',
    followOnAppend: true,
    scrollEndThreshold: AT_END,
    paddingStart: TOP_SPACE,
    paddingEnd: 12,
    overscan: 10,
  })
  // What changes its height above the fold must not move what is being read, whichever way one scrolls.
  list.shouldAdjustScrollPositionOnItemSizeChange = (item, _, { scrollOffset }) => item.end <= (scrollOffset ?? 0)
  const { scrollToEnd } = list
  useLayoutEffect(() => scrollToEnd(), [scrollToEnd])
  useStayAtEnd(scroller, scrollToEnd)
  return list
}

/** The banner, the composer and a phone's keyboard change the height; who was at the end stays there. */
function useStayAtEnd(scroller: RefObject<HTMLElement | null>, scrollToEnd: () => void) {
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    let atEnd = true
    const look = () => {
      atEnd = element.scrollHeight - element.scrollTop - element.clientHeight <= AT_END
    }
    const resized = new ResizeObserver(() => atEnd && scrollToEnd())
    resized.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      resized.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [scroller, scrollToEnd])
}
