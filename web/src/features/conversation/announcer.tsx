import { useEffect, useRef, useState } from 'react'
import { usePeople } from '@/shared/live/context'
import { neutral } from '@/shared/text/tokens'
import { lowerBound, type Timeline } from '@/shared/timeline/timeline'
import { announcement } from './announce'

const GATHER_MS = 1_000

/** A virtual list would read old rows aloud again, so the list is silent and this speaks, at most once a second. */
export function Announcer({ timeline, me }: { timeline: Timeline; me: string }) {
  const people = usePeople()
  const [text, setText] = useState('')
  const spoken = useRef(timeline.cursor)
  const { items, cursor } = timeline
  useEffect(() => {
    if (cursor <= spoken.current) return
    const timer = setTimeout(() => {
      const fresh = items.slice(lowerBound(items, spoken.current))
      spoken.current = cursor
      const others = fresh.filter((item) => item.kind === 'message' && item.sender !== me)
      setText(
        announcement(
          others.map((item) => ({
            name: (item.sender && people[item.sender]?.display_name) || 'Somebody',
            text: neutral(typeof item.body === 'string' ? item.body : ''),
          })),
        ),
      )
    }, GATHER_MS)
    return () => clearTimeout(timer)
  }, [items, cursor, me, people])
  return (
    <div aria-live="polite" className="sr-only">
      {text}
    </div>
  )
}
