import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import type { Room } from '@/shared/api/types'
import { useRoomReads } from '@/shared/live/context'
import { unreadOf } from '@/shared/live/reads'
import { countText } from '@/shared/text/count'
import { RoomName } from './room-name'

export const RoomLink = memo(function RoomLink({ room }: { room: Room }) {
  const unread = unreadOf(useRoomReads(room.id))
  return (
    <Link
      to="/rooms/$roomId"
      params={{ roomId: room.id }}
      data-unread={unread > 0 || undefined}
      className="flex min-h-11 items-center gap-2.5 rounded-lg px-2.5 text-sm text-soft hover:bg-hover aria-[current=page]:bg-selected aria-[current=page]:font-semibold aria-[current=page]:text-ink data-unread:font-bold data-unread:text-ink md:min-h-8"
    >
      <RoomName room={room} />
      {unread > 0 ? (
        <span className="ml-auto flex items-center">
          <span
            aria-hidden="true"
            className="min-w-5 rounded-full bg-accent px-1.5 text-center text-xs font-semibold text-on-accent tabular-nums"
          >
            {countText(unread)}
          </span>
          <span className="sr-only">, {unread} unread</span>
        </span>
      ) : null}
    </Link>
  )
})
