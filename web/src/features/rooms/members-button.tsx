import type { Room } from '@/shared/api/types'
import { usePresence } from '@/shared/live/context'
import { PeopleIcon } from '@/shared/ui/icons'
import { OnlineDot } from '@/shared/ui/online-dot'
import { memberCount } from './room-name'

interface Props {
  room: Room
  expanded: boolean
  onClick(): void
}

/** How many are in the room and how many of them are online. */
export function MembersButton({ room, expanded, onClick }: Props) {
  const online = usePresence(room.id)?.online
  const names = [memberCount(room.members), ...(online ? [`${online.toLocaleString()} online`] : [])]
  return (
    <button
      type="button"
      aria-expanded={expanded}
      title={names.join(', ')}
      onClick={onClick}
      className="inline-flex min-h-11 shrink-0 items-center gap-1.5 rounded-lg px-2.5 text-sm text-soft transition-colors hover:bg-hover hover:text-ink aria-expanded:bg-selected aria-expanded:text-ink md:min-h-8"
    >
      <PeopleIcon />
      <span className="sr-only">Members, {names.join(', ')}</span>
      {/* On a phone the room's name needs the place. */}
      <span aria-hidden="true" className={`tabular-nums ${online ? 'max-md:hidden' : ''}`}>
        {room.members.toLocaleString()}
      </span>
      {online ? (
        <span aria-hidden="true" className="inline-flex items-center gap-1.5 tabular-nums md:ml-1">
          <OnlineDot />
          {online.toLocaleString()}
          <span className="max-md:hidden">online</span>
        </span>
      ) : null}
    </button>
  )
}
