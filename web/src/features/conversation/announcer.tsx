import { useEffect, useRef, useState } from 'react'
import { usePeople } from '@/shared/live/context'
import { neutral } from '@/shared/text/tokens'
import { lowerBound, type Timeline } from '@/shared/timeline/timeline'
import { announcement, gatherer } from './announce'

const GATHER_MS = 1_000

/** A virtual list would read old rows aloud again, so the list is silent and this speaks, at most once a second. */
export function Announcer({ timeline, me }: { timeline: Timeline; me: string }) {
  const people = usePeople()
  const [said, setSaid] = useState({ turn: 0, text: '' })
  const spoken = useRef(timeline.cursor)
  const { items, cursor } = timeline

  const speak = useRef(() => {})
  speak.current = () => {
    const fresh = items.slice(lowerBound(items, spoken.current))
    spoken.current = cursor
    const others = fresh.filter((item) => item.kind === 'message' && item.sender !== me)
    const text = announcement(
      others.map((item) => ({
        name: neutral((item.sender && people[item.sender]?.display_name) || 'Somebody'),
        text: neutral(typeof item.body === 'string' ? item.body : ''),
      })),
    )
    if (text) setSaid(({ turn }) => ({ turn: turn + 1, text }))
  }
  const [gather] = useState(() => gatherer(() => speak.current(), GATHER_MS))
  useEffect(() => gather.stop, [gather])
  useEffect(() => {
    if (cursor > spoken.current) gather.more()
  }, [cursor, gather])

  return (
    <div aria-live="polite" className="sr-only">
      {/* A new element each time: the same text put in its own place would not be spoken again. */}
      <span key={said.turn}>{said.text}</span>
    </div>
  )
}
