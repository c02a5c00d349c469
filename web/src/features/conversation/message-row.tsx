import { memo, useId } from 'react'
import { useLive, usePerson } from '@/shared/live/context'
import { clockTime, fullTime, shortTime } from '@/shared/text/time'
import { neutral } from '@/shared/text/tokens'
import { Avatar } from '@/shared/ui/avatar'
import { UnreadIcon } from '@/shared/ui/icons'
import { VoteActions, VoteBar } from '@/shared/votes/vote-bar'
import { MessageText } from './message-text'
import { RowState, StateIcon } from './row-state'
import { bodyOf, type Row } from './rows'

export interface RowProps {
  room: string
  row: Row
  head: boolean
  mine: boolean
  index: number
  total: number
}

export const MessageRow = memo(
  function MessageRow({ room, row, head, mine, index, total }: RowProps) {
    const id = useId()
    const person = usePerson(row.sender)
    const name = neutral(person?.display_name ?? 'Somebody')
    const votable = row.item && !row.item.deleted ? row.item.id : null
    const dim = row.state === 'pending' ? 'text-soft' : ''
    const unsettled = mine && (row.state === 'pending' || row.state === 'failed')
    return (
      <article
        tabIndex={-1}
        aria-label={`${name}, ${clockTime(row.at)}`}
        aria-describedby={unsettled ? `${id}-text ${id}-state` : `${id}-text`}
        aria-posinset={index + 1}
        aria-setsize={total}
        data-position={row.item?.position}
        data-state={row.state}
        data-mine={mine || undefined}
        className={`group relative flex gap-3 px-4 -outline-offset-2 pointer-coarse:focus-within:bg-hover/60 hover:bg-hover/60 md:px-5 ${head ? 'pt-2.5 pb-0.5' : 'py-0.5'}`}
      >
        {mine ? <span aria-hidden="true" className="absolute inset-y-0 left-0 w-[3px] bg-accent/45" /> : null}
        <div className="w-9 shrink-0">
          {head ? <Avatar name={name} color={person?.color} /> : <GutterTime at={row.at} />}
        </div>
        <div className="min-w-0 flex-1">
          {head ? <RowHead name={name} at={row.at} mine={mine} /> : null}
          <div className="flex items-end gap-2">
            <div
              id={`${id}-text`}
              className={`min-w-0 max-w-[80ch] overflow-clip [overflow-clip-margin:4px] ${mine ? '' : 'grow'} ${dim}`}
            >
              {row.item?.deleted ? (
                <p className="text-soft italic">This message was deleted.</p>
              ) : (
                <MessageText body={bodyOf(row)} />
              )}
              {row.item?.edited && !row.item.deleted ? <span className="text-xs text-soft">(edited)</span> : null}
            </div>
            {mine ? <StateIcon id={`${id}-state`} state={row.state} /> : null}
          </div>
          {row.entry ? <RowState entry={row.entry} /> : null}
          {votable ? <VoteBar room={room} message={votable} /> : null}
        </div>
        {votable ? (
          <div className="absolute -top-4 right-3 z-10 hidden rounded-lg border border-line bg-raised p-0.5 shadow-float group-focus-within:flex group-hover:flex pointer-fine:group-[:focus:not(:focus-visible):not(:hover)]:hidden md:right-5">
            <VoteActions room={room} message={votable} />
            <MarkUnread room={room} position={row.item?.position} />
          </div>
        ) : null}
      </article>
    )
  },
  (a, b) =>
    a.row.item === b.row.item &&
    a.row.entry === b.row.entry &&
    a.row.key === b.row.key &&
    a.row.state === b.row.state &&
    a.head === b.head &&
    a.index === b.index &&
    a.total === b.total,
)

function MarkUnread({ room, position }: { room: string; position: number | undefined }) {
  const live = useLive()
  return (
    <button
      type="button"
      aria-label="Mark unread from here"
      title="Mark unread from here (U)"
      onMouseDown={(event) => event.preventDefault()}
      onClick={() => position !== undefined && live.markUnread(room, position)}
      className="inline-flex size-11 items-center justify-center rounded-md text-soft hover:bg-hover hover:text-ink md:size-7"
    >
      <UnreadIcon size={16} />
    </button>
  )
}

function RowHead({ name, at, mine }: { name: string; at: number; mine: boolean }) {
  return (
    <p className="flex items-baseline gap-2">
      <span className="min-w-0 truncate font-semibold" dir="auto">
        {name}
      </span>
      {mine ? <span className="sr-only">(you)</span> : null}
      <time dateTime={new Date(at).toISOString()} title={fullTime(at)} className="shrink-0 text-xs text-soft">
        {clockTime(at)}
      </time>
    </p>
  )
}

function GutterTime({ at }: { at: number }) {
  return (
    <time
      dateTime={new Date(at).toISOString()}
      title={fullTime(at)}
      className="block text-right text-xs leading-[22px] whitespace-nowrap text-soft opacity-0 group-focus-within:opacity-100 group-hover:opacity-100"
    >
      {shortTime(at)}
    </time>
  )
}
