import { useEffect, useMemo, useState } from 'react'
import type { Room } from '@/shared/api/types'
import { useLive, useOutbox, useTimeline } from '@/shared/live/context'
import type { Entry } from '@/shared/outbox/machine'
import { neutral } from '@/shared/text/tokens'
import { Skeleton } from '@/shared/ui/states'
import { Announcer } from './announcer'
import { Composer } from './composer'
import { createGroups } from './groups'
import { ListRow } from './list-row'
import { MessageList } from './message-list'
import { rowAt, unseen } from './rows'

const noItems = [] as const

export function Conversation({ room }: { room: Room }) {
  const live = useLive()
  const timeline = useTimeline(room.id)
  const outbox = useOutbox()
  const [sent, setSent] = useState(0)
  const me = live.me.id
  const items = timeline?.items ?? noItems
  const entries = useMemo(() => unseen(outbox, room.id, items, me), [outbox, room.id, items, me])

  useEffect(() => {
    live.open(room.id)
  }, [live, room.id])
  useEffect(() => {
    live.look(room.id)
    return () => live.look(null)
  }, [live, room.id])

  return (
    <div className="flex min-h-0 min-w-0 flex-1 flex-col">
      {timeline ? (
        <>
          <Announcer timeline={timeline} me={me} />
          <MessageList
            room={room.id}
            label={`Messages in ${neutral(room.name)}`}
            me={me}
            timeline={timeline}
            entries={entries}
            sent={sent}
            intro={<Intro room={room} />}
          />
          {timeline.catchingUp ? (
            <p className="px-4 pb-1 text-xs text-soft md:px-5">
              Catching up. The newest messages may still be on their way.
            </p>
          ) : null}
        </>
      ) : (
        <>
          <div className="min-h-0 flex-1 overflow-hidden">
            <Skeleton rows={7} label="Loading messages" />
          </div>
          <OnTheirWay entries={entries} me={me} />
        </>
      )}
      <Composer
        me={me}
        room={room.id}
        placeholder={`Message ${neutral(room.name)}`}
        onSend={(body) => {
          live.send(room.id, body)
          setSent((count) => count + 1)
        }}
      />
    </div>
  )
}

/** What was written before the room could be loaded: after a reload without a connection it must still be seen. */
function OnTheirWay({ entries, me }: { entries: readonly Entry[]; me: string }) {
  const heads = createGroups()(noItems, entries, me, null)
  return (
    <div className="max-h-1/2 shrink-0 overflow-y-auto pb-2">
      {entries.map((entry, index) => {
        const row = rowAt(noItems, entries, me, index)
        const before = index > 0 ? rowAt(noItems, entries, me, index - 1) : null
        return row ? (
          <ListRow
            key={entry.cid}
            room={entry.room}
            row={row}
            before={before}
            head={heads[index] === index}
            me={me}
            index={index}
            total={entries.length}
          />
        ) : null
      })}
    </div>
  )
}

function Intro({ room }: { room: Room }) {
  return (
    <div className="px-4 pb-2 md:px-5">
      <h2 className="font-display text-xl font-semibold" dir="auto">
        {neutral(room.name)}
      </h2>
      <p className="text-soft">
        This is where the conversation begins.{' '}
        {room.visibility === 'private'
          ? 'Only its members can see this room.'
          : 'Everybody can find and join this room.'}
      </p>
    </div>
  )
}
