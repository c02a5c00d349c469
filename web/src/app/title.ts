import { useEffect } from 'react'
import { useReads } from '@/shared/live/context'
import { unreadOf } from '@/shared/live/reads'
import { countText } from '@/shared/text/count'

let title: string | null = null
let unread = 0

function show(): void {
  const badge = unread > 0 ? `(${countText(unread)}) ` : ''
  document.title = `${badge}${title ? `${title} · Parley` : 'Parley'}`
}

export function useTitle(text: string | null): void {
  useEffect(() => {
    title = text
    show()
  }, [text])
}

/** How much is unread, in front of whatever the page is called. */
export function TitleBadge() {
  const reads = useReads()
  const sum = Object.values(reads).reduce((all, room) => all + unreadOf(room), 0)
  useEffect(() => {
    unread = sum
    show()
    return () => {
      unread = 0
      show()
    }
  }, [sum])
  return null
}
