import type { Virtualizer } from '@tanstack/react-virtual'
import { type RefObject, useCallback } from 'react'

/** Frames until a row that was scrolled to is there to be focused. */
const FRAMES = 30

/** Brings a row to the top of the list, with the focus on it. */
export function useShowRow(list: Virtualizer<HTMLElement, Element>, scroller: RefObject<HTMLElement | null>) {
  const { scrollToIndex } = list
  return useCallback(
    (index: number) => {
      scrollToIndex(Math.max(0, index - 1), { align: 'start' })
      let frames = 0
      const focus = () => {
        const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"] article`)
        if (row) row.focus({ preventScroll: true })
        else if (frames++ < FRAMES) requestAnimationFrame(focus)
      }
      requestAnimationFrame(focus)
    },
    [scrollToIndex, scroller],
  )
}
