import { defaultRangeExtractor, observeElementOffset, type Range, useVirtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef } from 'react'
import { useLive } from '@/shared/live/context'
import type { Entry } from '@/shared/outbox/machine'
import type { Item } from '@/shared/socket/protocol'
import { rowHeight } from './row-height'
import { countRows, rowKey } from './rows'

/** Above the first row: the place where loading, or its failure, is told without moving any row. */
export const TOP_SPACE = 56
/** Within this many pixels of the end one is reading along, and is taken along. */
const AT_END = 60

interface Rows {
  items: readonly Item[]
  entries: readonly Entry[]
  me: string
  heads: readonly number[]
}

export function useMessageList(scroller: RefObject<HTMLElement | null>, { items, entries, me, heads }: Rows) {
  const { screen } = useLive()
  const atEnd = useRef(true)
  const list = useVirtualizer({
    count: countRows(items, entries),
    getScrollElement: () => scroller.current,
    estimateSize: (index) =>
      rowHeight({ item: items[index] ?? null, entry: entries[index - items.length] ?? null }, heads[index] === index),
    getItemKey: useCallback((index: number) => rowKey(items, entries, me, index), [items, entries, me]),
    anchorTo: 'end',
    scrollEndThreshold: AT_END,
    paddingStart: TOP_SPACE,
    paddingEnd: 12,
    overscan: 10,
    rangeExtractor: (range) => defaultRangeExtractor(atEnd.current ? ofTheEnd(range) : range),
    // Told with what else changes in this frame, so that all of it is one commit.
    observeElementOffset: (instance, tell) => {
      let told: Parameters<typeof tell>
      const follow = () => tell(...told)
      return observeElementOffset(instance, (...offset) => {
        told = offset
        screen.follow(follow)
      })
    },
  })
  // What changes its height above the fold must not move what is being read, whichever way one scrolls.
  list.shouldAdjustScrollPositionOnItemSizeChange = (item, _, { scrollOffset }) => item.end <= (scrollOffset ?? 0)
  const { scrollToEnd } = list
  useAtEnd(atEnd, scroller, scrollToEnd)
  // Rows of others come in before what is still on its way, so that the last row alone does not tell that there is more.
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever changes the rows takes the reader along
  useLayoutEffect(() => {
    if (atEnd.current) scrollToEnd()
  }, [items, entries, scrollToEnd])
  return list
}

/** Who reads along at the end stays there until they scroll up: rows, the banner, the composer and a phone's keyboard move it. */
function useAtEnd(atEnd: RefObject<boolean>, scroller: RefObject<HTMLElement | null>, scrollToEnd: () => void) {
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
  }, [atEnd, scroller, scrollToEnd])
}

/** As many rows, but the last ones: where the list is about to be, before the browser has scrolled there. */
function ofTheEnd({ startIndex, endIndex, ...range }: Range): Range {
  const last = range.count - 1
  return { ...range, startIndex: Math.max(0, last - (endIndex - startIndex)), endIndex: last }
}
