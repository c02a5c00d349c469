import { memo, useEffect } from 'react'
import { useLive, usePeople } from '@/shared/live/context'
import { dayLabel } from '@/shared/text/time'
import { neutral } from '@/shared/text/tokens'
import { MessageRow } from './message-row'
import { type Row, startsDay } from './rows'
import { subjectOf, systemText } from './system-text'
import { useToday } from './today'

interface Props {
  room: string
  row: Row
  before: Row | null
  /** The first of its group. */
  head: boolean
  me: string
  index: number
  total: number
  /** The first one that was unread when the room was opened. */
  afterLine?: boolean
}

/** A row with what it opens: a day, and the author's name. */
export function ListRow({ room, row, before, head, me, index, total, afterLine = false }: Props) {
  return (
    <>
      {startsDay(before, row) ? <DayLine at={row.at} /> : null}
      {afterLine ? <NewLine /> : null}
      {row.kind === 'system' ? (
        <SystemRow row={row} index={index} total={total} />
      ) : (
        <MessageRow room={room} row={row} head={head} mine={row.sender === me} index={index} total={total} />
      )}
    </>
  )
}

const DayLine = memo(function DayLine({ at }: { at: number }) {
  const now = useToday()
  return (
    <div data-day className="flex items-center gap-3 px-4 pt-4 pb-1.5 md:px-5">
      <span className="h-px flex-1 bg-line" />
      <span className="text-xs font-semibold text-soft">{dayLabel(at, now)}</span>
      <span className="h-px flex-1 bg-line" />
    </div>
  )
})

function NewLine() {
  return (
    <div data-testid="new-line" className="flex items-center gap-2 px-4 pt-2 md:px-5">
      <span className="h-px flex-1 bg-accent" />
      <span className="text-xs font-semibold text-link">New messages</span>
    </div>
  )
}

function SystemRow({ row, index, total }: { row: Row; index: number; total: number }) {
  const live = useLive()
  const people = usePeople()
  const subject = row.item ? subjectOf(row.item) : null
  useEffect(() => live.needPeople([subject]), [live, subject])
  if (!row.item) return null
  const text = systemText(row.item, (id) => neutral(people[id]?.display_name ?? 'Somebody'))
  return (
    <article
      tabIndex={-1}
      aria-label={text}
      aria-posinset={index + 1}
      aria-setsize={total}
      data-position={row.item.position}
      data-state={row.state}
      data-kind="system"
      className="px-4 py-1.5 pl-16 text-sm text-soft -outline-offset-2 md:pl-17"
    >
      {text}
    </article>
  )
}
