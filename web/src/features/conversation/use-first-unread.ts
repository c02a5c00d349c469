import { useEffect, useRef, useState } from 'react'
import { useLive } from '@/shared/live/context'

/** Older pages that one jump loads, at most. */
const PAGES_MAX = 60

/** Goes to the first unread message, loading what lies between. */
export function useFirstUnread(
  room: string,
  firstUnread: number | null,
  hasOlder: boolean,
  show: (index: number) => void,
) {
  const live = useLive()
  const [pages, setPages] = useState(0)
  const wanted = pages > 0
  const loading = useRef(false)

  useEffect(() => {
    if (!wanted || loading.current) return
    if (firstUnread !== null || !hasOlder || pages > PAGES_MAX) {
      setPages(0)
      show(firstUnread ?? 0)
      return
    }
    loading.current = true
    live
      .loadOlder(room)
      .then(
        () => setPages((count) => count + 1),
        () => setPages(0),
      )
      .finally(() => {
        loading.current = false
      })
  }, [wanted, pages, firstUnread, hasOlder, live, room, show])

  return { loading: wanted, jump: () => setPages(1) }
}
