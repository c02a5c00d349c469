import { useVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef } from 'react'
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
    scrollEndThreshold: AT_END,
    paddingStart: TOP_SPACE,
    paddingEnd: 12,
    overscan: 10,
  })
  // What changes its height above the fold must not move what is being read, whichever way one scrolls.
  list.shouldAdjustScrollPositionOnItemSizeChange = (item, _, { scrollOffset }) => item.end <= (scrollOffset ?? 0)
  const { scrollToEnd } = list
  const atEnd = useAtEnd(scroller, scrollToEnd)
  // Rows of others come in before what is still on its way, so that the last row alone does not tell that there is more.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever changes the rows takes the reader along
  useLayoutEffect(() => {
    if (atEnd.current) scrollToEnd()
  }, [items, entries, scrollToEnd])
  return list
}

/** Who reads along at the end stays there until they scroll up: rows, the banner, the composer and a phone's keyboard move it. */
function useAtEnd(scroller: RefObject<HTMLElement | null>, scrollToEnd: () => void) {
  const atEnd = useRef(true)
  useEffect(() => {
    const element = scroller.current
    if (!element) return
    let top = element.scrollTop
    const look = () => {
      const upwards = element.scrollTop < top
      top = element.scrollTop
      if (element.scrollHeight - top - element.clientHeight <= AT_END) atEnd.current = true
      else if (upwards) atEnd.current = false
    }
    const resized = new ResizeObserver(() => atEnd.current && scrollToEnd())
    resized.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    return () => {
      resized.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [scroller, scrollToEnd])
  return atEnd
}
