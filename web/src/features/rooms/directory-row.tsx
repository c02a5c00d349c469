import { Link, useNavigate } from '@tanstack/react-router'
import { sentenceOf } from '@/shared/api/problem'
import type { Room } from '@/shared/api/types'
import { neutral } from '@/shared/text/tokens'
import { Button, buttonClass } from '@/shared/ui/button'
import { useJoinRoom } from './api/join-room'
import { memberCount, RoomName } from './room-name'

export function DirectoryRow({ room }: { room: Room }) {
  const join = useJoinRoom()
  const navigate = useNavigate()
  const open = () => void navigate({ to: '/rooms/$roomId', params: { roomId: room.id } })
  return (
    <li className="flex items-center gap-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="flex items-center gap-1.5 font-semibold">
          <RoomName room={room} />
        </p>
        <p className="truncate text-sm text-soft" dir="auto">
          {memberCount(room.members)}
          {room.topic ? ` · ${neutral(room.topic)}` : ''}
        </p>
        {join.error ? (
          <p role="alert" className="text-sm text-danger">
            {sentenceOf(join.error)}
          </p>
        ) : null}
      </div>
      {room.member ? (
        <Link
          to="/rooms/$roomId"
          params={{ roomId: room.id }}
          aria-label={`Open ${neutral(room.name)}`}
          className={buttonClass('plain')}
        >
          Open
        </Link>
      ) : (
        <Button
          look="quiet"
          aria-label={`Join ${neutral(room.name)}`}
          busy={join.isPending}
          onClick={() => join.mutate(room.id, { onSuccess: open })}
        >
          Join
        </Button>
      )}
    </li>
  )
}
