import { useEffect, useRef, useState } from 'react'
import { useLive } from '@/shared/live/context'

/** Older pages that one jump loads, at most. */
const PAGES_MAX = 60

interface Where {
  unread: number
  /** Its row; null while that is not held. */
  firstUnread: number | null
  hasOlder: boolean
}

/** Goes to the first unread message, loading what lies between; to nowhere where nothing is unread, or is no more. */
export function useFirstUnread(room: string, { unread, firstUnread, hasOlder }: Where, show: (index: number) => void) {
  const live = useLive()
  const [pages, setPages] = useState(0)
  const wanted = pages > 0
  const loading = useRef(false)

  useEffect(() => {
    if (unread === 0) setPages(0)
    if (!wanted || unread === 0 || loading.current) return
    if (firstUnread !== null || !hasOlder || pages > PAGES_MAX) {
      setPages(0)
      show(firstUnread ?? 0)
      return
    }
    loading.current = true
    live
      .loadOlder(room)
      .then(
        () => setPages((count) => (count > 0 ? count + 1 : 0)),
        () => setPages(0),
      )
      .finally(() => {
        loading.current = false
      })
  }, [wanted, pages, unread, firstUnread, hasOlder, live, room, show])

  return { loading: wanted, jump: () => setPages(unread > 0 ? 1 : 0) }
}
