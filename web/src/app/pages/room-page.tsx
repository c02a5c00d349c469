import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { Conversation } from '@/features/conversation/conversation'
import { isMissing, roomQuery } from '@/features/rooms/api/get-room'
import { JoinPanel } from '@/features/rooms/join-panel'
import { MembersPanel } from '@/features/rooms/members-panel'
import { type Beside, RoomHeader } from '@/features/rooms/room-header'
import { TopPanel } from '@/features/top/top-panel'
import { sentenceOf } from '@/shared/api/problem'
import type { Room } from '@/shared/api/types'
import { useIsGone } from '@/shared/live/context'
import { neutral } from '@/shared/text/tokens'
import { buttonClass } from '@/shared/ui/button'
import { PaneHeader } from '@/shared/ui/pane-header'
import { Failed, Notice, Skeleton } from '@/shared/ui/states'
import { useTitle } from '../title'

export function RoomPage() {
  const { roomId } = useParams({ from: '/shell/rooms/$roomId' })
  const room = useQuery(roomQuery(roomId))
  const gone = useIsGone(roomId)
  useTitle(room.data ? neutral(room.data.name) : 'Room')
  if (isMissing(room.error)) return <MissingRoom />
  if (room.data?.member && gone && !room.isFetching) return <MissingRoom />
  if (room.data) return <LoadedRoom key={roomId} room={room.data} />
  return (
    <div className="flex h-full flex-col">
      <PaneHeader>{null}</PaneHeader>
      {room.isError ? (
        <Failed
          heading="h1"
          what="The room did not load"
          why={sentenceOf(room.error)}
          onRetry={() => void room.refetch()}
        />
      ) : (
        <Skeleton rows={7} label="Loading the room" />
      )}
    </div>
  )
}

function LoadedRoom({ room }: { room: Room }) {
  const [beside, setBeside] = useState<Beside | null>(null)
  const toggle = (which: Beside) => setBeside((shown) => (shown === which ? null : which))
  return (
    <section aria-label={neutral(room.name)} className="flex h-full flex-col">
      <RoomHeader room={room} beside={beside} onToggle={toggle} />
      {room.member ? (
        <div className="relative flex min-h-0 flex-1">
          <Conversation room={room} />
          {beside === 'members' ? <MembersPanel room={room.id} onClose={() => setBeside(null)} /> : null}
          {beside === 'top' ? <TopPanel room={room.id} onClose={() => setBeside(null)} /> : null}
        </div>
      ) : (
        <JoinPanel room={room} />
      )}
    </section>
  )
}

/** The same for a room that does not exist and for one that may not be seen. */
function MissingRoom() {
  return (
    <div className="flex h-full flex-col">
      <div className="md:hidden">
        <PaneHeader>{null}</PaneHeader>
      </div>
      <div className="flex flex-1 items-center">
        <Notice
          heading="h1"
          title="This room is not here"
          action={
            <Link to="/rooms/directory" className={buttonClass('quiet')}>
              Browse rooms
            </Link>
          }
        >
          It does not exist, or you do not have access to it.
        </Notice>
      </div>
    </div>
  )
}
