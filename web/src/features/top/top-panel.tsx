import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { sentenceOf } from '@/shared/api/problem'
import { useLive, usePerson } from '@/shared/live/context'
import type { Item } from '@/shared/socket/protocol'
import { fullTime, shortDate } from '@/shared/text/time'
import { neutral } from '@/shared/text/tokens'
import { IconButton } from '@/shared/ui/button'
import { CloseIcon } from '@/shared/ui/icons'
import { ListEnd } from '@/shared/ui/list-end'
import { Failed, Notice, Skeleton } from '@/shared/ui/states'
import { type Counted, noCounts, tallied } from '@/shared/votes/tallies'
import { VoteBar } from '@/shared/votes/vote-bar'
import { type Period, periods, topQuery } from './api/top'

const names: Record<Period, string> = { day: 'Day', week: 'Week', month: 'Month', all: 'All' }

/** Beside the conversation where there is room for both, above it on a phone. */
export function TopPanel({ room, onClose }: { room: string; onClose(): void }) {
  const [period, setPeriod] = useState<Period>('week')
  return (
    <aside
      aria-label="Top messages"
      className="absolute inset-0 z-10 flex flex-col border-line bg-page md:static md:w-80 md:shrink-0 md:border-l"
    >
      <header className="flex h-12 shrink-0 items-center justify-between pr-2 pl-4">
        <h2 className="text-sm font-semibold">Top messages</h2>
        <IconButton label="Close top messages" onClick={onClose}>
          <CloseIcon />
        </IconButton>
      </header>
      <PeriodChoice period={period} onChange={setPeriod} />
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto">
        <TopList room={room} period={period} />
      </div>
    </aside>
  )
}

function PeriodChoice({ period, onChange }: { period: Period; onChange(period: Period): void }) {
  return (
    <fieldset className="mx-4 mb-2 flex shrink-0 rounded-lg border border-line p-0.5">
      <legend className="sr-only">Of which time</legend>
      {periods.map((value) => (
        <label
          key={value}
          className="flex min-h-11 flex-1 cursor-pointer items-center justify-center rounded-md text-sm text-soft has-checked:bg-selected has-checked:font-semibold has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent md:min-h-7"
        >
          <input
            type="radio"
            name="period"
            value={value}
            checked={period === value}
            onChange={() => onChange(value)}
            className="sr-only"
          />
          {names[value]}
        </label>
      ))}
    </fieldset>
  )
}

function TopList({ room, period }: { room: string; period: Period }) {
  const live = useLive()
  const found = useQuery(topQuery(room, period))
  useEffect(() => live.learnPeople(found.data?.users ?? []), [live, found.data])
  if (found.isPending) return <Skeleton rows={4} label="Loading top messages" />
  if (found.isLoadingError) {
    return (
      <Failed what="The top messages did not load" why={sentenceOf(found.error)} onRetry={() => void found.refetch()} />
    )
  }
  const counts = tallied(noCounts, found.data.tallies, 0)
  return (
    <>
      {found.data.items.length === 0 ? (
        <Notice title="No votes yet">What people vote for in this room during this time is listed here.</Notice>
      ) : (
        <ol className="flex flex-col pb-3">
          {found.data.items.map((item) => (
            <TopRow key={item.id} room={room} item={item} known={counts[item.id]} />
          ))}
        </ol>
      )}
      <ListEnd of={found} />
    </>
  )
}

function TopRow({ room, item, known }: { room: string; item: Item; known?: Counted }) {
  const person = usePerson(item.sender)
  const at = Date.parse(item.sent_at)
  return (
    <li className="border-b border-line px-4 py-2.5 last:border-b-0">
      <p className="flex items-baseline gap-2">
        <span className="min-w-0 truncate text-sm font-semibold" dir="auto">
          {neutral(person?.display_name ?? 'Somebody')}
        </span>
        <time dateTime={item.sent_at} title={fullTime(at)} className="shrink-0 text-xs text-soft">
          {shortDate(at, Date.now())}
        </time>
      </p>
      <p dir="auto" className="line-clamp-6 text-sm whitespace-pre-wrap [unicode-bidi:plaintext]">
        {neutral(typeof item.body === 'string' ? item.body : '')}
      </p>
      <VoteBar room={room} message={item.id} known={known} />
    </li>
  )
}
