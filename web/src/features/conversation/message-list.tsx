import { type ReactNode, useCallback, useEffect, useRef, useState } from 'react'
import { useLive } from '@/shared/live/context'
import type { Entry } from '@/shared/outbox/machine'
import { lowerBound, type Timeline } from '@/shared/timeline/timeline'
import { DayPill } from './day-pill'
import { focusComposer } from './focus-composer'
import { createGroups } from './groups'
import { JumpButton } from './jump-button'
import { ListRow } from './list-row'
import { type Row, rowAt, startsDay } from './rows'
import { TopSpace } from './top-space'
import { UnreadBar } from './unread-bar'
import { useFirstUnread } from './use-first-unread'
import { useListKeys } from './use-list-keys'
import { useMessageList } from './use-message-list'
import { useOlder } from './use-older'
import { useRowKeys } from './use-row-keys'
import { useShowRow } from './use-show-row'
import { firstInView, useLine, useUnread } from './use-unread'

const NEAR_TOP_PX = 1_500
const AWAY_PX = 240

interface Props {
  room: string
  label: string
  me: string
  timeline: Timeline
  entries: readonly Entry[]
  /** Raised by one with each message that is sent from here: sending shows the end. */
  sent: number
  intro: ReactNode
}

export function MessageList({ room, label, me, timeline, entries, sent, intro }: Props) {
  const live = useLive()
  const scroller = useRef<HTMLDivElement>(null)
  const { items, hasOlder, cursor, stored } = timeline
  const lineIndex = useLine(room, timeline)
  const [headsOf] = useState(createGroups)
  const heads = headsOf(items, entries, me, lineIndex)
  const list = useMessageList(scroller, { items, entries, me, heads })
  const total = items.length + entries.length
  const offset = list.scrollOffset ?? 0
  const older = useOlder(room, hasOlder, offset < NEAR_TOP_PX)

  const away = list.getDistanceFromEnd() > AWAY_PX
  const missed = useMissed(timeline, me, away)
  const { firstUnread, unread, above } = useUnread(room, timeline, list, scroller)
  const show = useShowRow(list, scroller)
  const first = useFirstUnread(room, { unread, firstUnread, hasOlder }, show)
  const onKeyDown = useRowKeys(room, list, total)
  useListKeys({ room, jump: first.jump })

  const { scrollToEnd } = list
  const toEnd = useCallback(() => scrollToEnd(), [scrollToEnd])
  const jump = () => {
    toEnd()
    focusComposer()
  }
  useEffect(() => {
    if (sent > 0) toEnd()
  }, [sent, toEnd])

  const top = firstInView(list, scroller.current)
  const topRow = top === null ? null : rowAt(items, entries, me, top)
  const ownDay = top === null || startsDay(top > 0 ? rowAt(items, entries, me, top - 1) : null, topRow as Row)

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label={label}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        tabIndex={0}
        onKeyDown={onKeyDown}
        data-cursor={cursor}
        className="scroll-quiet flex h-full flex-col overflow-x-hidden overflow-y-auto -outline-offset-2 [overflow-anchor:none]"
      >
        <div className="relative mt-auto w-full shrink-0" style={{ height: list.getTotalSize() }}>
          <TopSpace hasOlder={hasOlder} loading={older.loading} error={older.error} onRetry={() => void older.load()} />
          {list.getVirtualItems().map(({ index, key, start }) => {
            const row = rowAt(items, entries, me, index, stored)
            if (!row) return null
            return (
              <div
                key={key}
                ref={list.measureElement}
                data-index={index}
                className="absolute inset-x-0 top-0"
                style={{ transform: `translateY(${start}px)` }}
              >
                {index === 0 && !hasOlder ? intro : null}
                <ListRow
                  room={room}
                  row={row}
                  before={index > 0 ? rowAt(items, entries, me, index - 1) : null}
                  head={heads[index] === index}
                  me={me}
                  index={index}
                  total={hasOlder ? -1 : total}
                  afterLine={index === lineIndex}
                />
              </div>
            )
          })}
          {total === 0 && !hasOlder ? intro : null}
        </div>
      </div>
      {above ? (
        <UnreadBar
          unread={unread}
          loading={first.loading}
          onJump={first.jump}
          onRead={() => {
            live.markRead(room)
            focusComposer()
          }}
        />
      ) : null}
      {topRow && !ownDay && away ? <DayPill at={topRow.at} belowBar={above} /> : null}
      {away ? <JumpButton missed={missed} onClick={jump} /> : null}
    </div>
  )
}

/** How many messages of others came since one scrolled away from the end. */
function useMissed({ items, cursor }: Timeline, me: string, away: boolean): number {
  const [left, setLeft] = useState<number | null>(null)
  if (away && left === null) setLeft(cursor)
  if (!away && left !== null) setLeft(null)
  if (left === null) return 0
  return items.slice(lowerBound(items, left)).filter((item) => item.kind === 'message' && item.sender !== me).length
}
