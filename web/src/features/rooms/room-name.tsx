import type { Room } from '@/shared/api/types'
import { neutral } from '@/shared/text/tokens'
import { HashIcon, LockIcon } from '@/shared/ui/icons'

type Named = Pick<Room, 'name' | 'visibility'>

export function RoomName({ room, size = 16 }: { room: Named; size?: number }) {
  const Icon = room.visibility === 'private' ? LockIcon : HashIcon
  return (
    <>
      <Icon size={size} className="text-soft" />
      <span className="min-w-0 truncate" dir="auto">
        {neutral(room.name)}
      </span>
      {room.visibility === 'private' ? <span className="sr-only">, private</span> : null}
    </>
  )
}

export const memberCount = (count: number) => `${count.toLocaleString()} ${count === 1 ? 'member' : 'members'}`
