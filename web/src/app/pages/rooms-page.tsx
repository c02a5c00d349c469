import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { CreateRoomDialog } from '@/features/rooms/create-room-dialog'
import { Button, buttonClass } from '@/shared/ui/button'
import { Notice } from '@/shared/ui/states'
import { useTitle } from '../title'

export function RoomsPage() {
  useTitle('Rooms')
  const [creating, setCreating] = useState(false)
  return (
    <div className="flex h-full items-center">
      <Notice
        heading="h1"
        title="Pick a room, or make one"
        action={
          <>
            <Link to="/rooms/directory" className={buttonClass('primary')}>
              Browse rooms
            </Link>
            <Button look="quiet" onClick={() => setCreating(true)}>
              Create a room
            </Button>
          </>
        }
      >
        Rooms you are in are listed on the left. Public ones can be found in the directory.
      </Notice>
      <CreateRoomDialog open={creating} onOpenChange={setCreating} />
    </div>
  )
}
