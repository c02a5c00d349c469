import type { Virtualizer } from '@tanstack/react-virtual'
import type { KeyboardEvent } from 'react'
import { useLive } from '@/shared/live/context'
import { focusComposer } from './focus-composer'

/** Up and down go from row to row, so that what can be done with a row is one Tab away, and no row needs a stop of its own. */
export function useRowKeys(room: string, list: Virtualizer<HTMLElement, Element>, total: number) {
  const live = useLive()
  return (event: KeyboardEvent<HTMLElement>) => {
    const from = event.target as HTMLElement
    const onRow = from.closest('article')
    if (event.key === 'Escape' && onRow) {
      event.preventDefault()
      return focusComposer()
    }
    const position = Number(onRow?.dataset.position)
    if (event.key.toLowerCase() === 'u' && from === onRow && position > 0 && !hasModifier(event)) {
      event.preventDefault()
      return live.markUnread(room, position)
    }
    const step = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0
    // Within a row's own buttons the arrows are not ours.
    if (step === 0 || hasModifier(event) || (from !== onRow && from !== event.currentTarget)) return
    event.preventDefault()
    const index = onRow ? indexOf(onRow) + step : lastInView(event.currentTarget)
    if (index < 0 || index >= total) return
    list.scrollToIndex(index, { align: 'auto' })
    event.currentTarget.querySelector<HTMLElement>(`[data-index="${index}"] article`)?.focus({ preventScroll: true })
  }
}

const hasModifier = (event: KeyboardEvent) => event.altKey || event.ctrlKey || event.metaKey

const indexOf = (row: Element) => Number(row.closest('[data-index]')?.getAttribute('data-index'))

function lastInView(scroller: HTMLElement): number {
  const { bottom } = scroller.getBoundingClientRect()
  const rows = [...scroller.querySelectorAll('article')].filter(
    (row) => row.getBoundingClientRect().bottom <= bottom + 1,
  )
  return Math.max(0, ...rows.map(indexOf))
}
