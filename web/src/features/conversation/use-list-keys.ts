import { useEffect, useRef } from 'react'
import { useLive } from '@/shared/live/context'

/** Keys that mean the room on the screen, wherever the focus is: Esc reads it to its end, Shift+PageUp goes to what is unread first. */
export function useListKeys({ room, jump }: { room: string; jump(): void }) {
  const live = useLive()
  const latest = useRef(jump)
  latest.current = jump
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || somethingIsOpen()) return
      if (event.key === 'Escape') live.markRead(room)
      else if (event.key === 'PageUp' && event.shiftKey) {
        event.preventDefault()
        latest.current()
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [live, room])
}

/** A dialog or a menu has the first claim to Esc. */
const somethingIsOpen = () => document.querySelector('[role="dialog"], [role="menu"]') !== null
