import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import type { Room } from '@/shared/api/types'
import { RoomName } from './room-name'

export const RoomLink = memo(function RoomLink({ room, unread }: { room: Room; unread: boolean }) {
  return (
    <Link
      to="/rooms/$roomId"
      params={{ roomId: room.id }}
      data-unread={unread || undefined}
      className="flex min-h-11 items-center gap-2.5 rounded-lg px-2.5 text-sm hover:bg-hover aria-[current=page]:bg-selected aria-[current=page]:font-semibold data-unread:font-bold md:min-h-8"
    >
      <RoomName room={room} />
      {unread ? (
        <span className="ml-auto flex items-center">
          <span aria-hidden="true" className="size-2 rounded-full bg-accent" />
          <span className="sr-only">, unread</span>
        </span>
      ) : null}
    </Link>
  )
})
