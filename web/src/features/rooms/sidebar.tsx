import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useMemo, useState } from 'react'
import { sentenceOf } from '@/shared/api/problem'
import { useActivity } from '@/shared/live/context'
import { IconButton } from '@/shared/ui/button'
import { CompassIcon, PlusIcon, SearchIcon } from '@/shared/ui/icons'
import { ListEnd } from '@/shared/ui/list-end'
import { Wordmark } from '@/shared/ui/logo'
import { Failed } from '@/shared/ui/states'
import { myRoomsQuery } from './api/my-rooms'
import { CreateRoomDialog } from './create-room-dialog'
import { RoomLink } from './room-link'
import { sortRooms } from './sort-rooms'

const switchKeys = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘ K' : 'Ctrl K'

export function Sidebar({ footer, onSwitch }: { footer: ReactNode; onSwitch(): void }) {
  const [creating, setCreating] = useState(false)
  return (
    <nav aria-label="Rooms" className="flex h-full flex-col bg-panel">
      <header className="flex h-14 shrink-0 items-center justify-between pr-2.5 pl-4">
        <h1 className="sr-only md:hidden">Rooms</h1>
        <Link to="/" className="flex min-h-11 items-center rounded-lg">
          <Wordmark />
        </Link>
      </header>
      <div className="flex flex-col px-2 pb-2">
        <button
          type="button"
          onClick={onSwitch}
          className="flex min-h-11 items-center gap-2.5 rounded-lg px-2.5 text-left text-sm hover:bg-hover md:min-h-9"
        >
          <SearchIcon size={18} className="text-soft" />
          Go to a room
          <kbd className="ml-auto font-sans text-xs text-soft pointer-coarse:hidden">{switchKeys}</kbd>
        </button>
        <Link
          to="/rooms/directory"
          className="flex min-h-11 items-center gap-2.5 rounded-lg px-2.5 text-sm hover:bg-hover aria-[current=page]:bg-selected aria-[current=page]:font-semibold md:min-h-9"
        >
          <CompassIcon className="text-soft" />
          Browse rooms
        </Link>
      </div>
      <div className="flex items-center justify-between pr-2.5 pl-4.5">
        <h2 className="text-xs font-semibold text-soft">My rooms</h2>
        <IconButton label="New room" onClick={() => setCreating(true)}>
          <PlusIcon />
        </IconButton>
      </div>
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        <RoomList />
      </div>
      {footer}
      <CreateRoomDialog open={creating} onOpenChange={setCreating} />
    </nav>
  )
}

function RoomList() {
  const rooms = useInfiniteQuery(myRoomsQuery)
  const activity = useActivity()
  const sorted = useMemo(() => sortRooms(rooms.data ?? [], activity), [rooms.data, activity])
  if (rooms.isPending) return <RoomListSkeleton />
  if (rooms.isLoadingError) {
    return <Failed what="Your rooms did not load" why={sentenceOf(rooms.error)} onRetry={() => void rooms.refetch()} />
  }
  return (
    <>
      {sorted.length === 0 ? (
        <p className="px-2.5 py-2 text-sm text-soft">You are in no room yet. Browse the public ones, or make one.</p>
      ) : (
        <ul className="flex flex-col gap-px">
          {sorted.map((room) => (
            <li key={room.id}>
              <RoomLink room={room} />
            </li>
          ))}
        </ul>
      )}
      <ListEnd of={rooms} more="Show more rooms" />
    </>
  )
}

function RoomListSkeleton() {
  return (
    <div role="status" aria-label="Loading your rooms" className="flex animate-pulse flex-col gap-4 px-2.5 py-3">
      {['w-3/5', 'w-2/5', 'w-1/2'].map((width) => (
        <span key={width} className={`h-3 rounded bg-selected ${width}`} />
      ))}
    </div>
  )
}
