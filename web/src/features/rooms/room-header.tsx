import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Room } from '@/shared/api/types'
import { neutral } from '@/shared/text/tokens'
import { IconButton } from '@/shared/ui/button'
import { LeaveIcon, MoreIcon, TopIcon } from '@/shared/ui/icons'
import { Menu, MenuItem } from '@/shared/ui/menu'
import { PaneHeader } from '@/shared/ui/pane-header'
import { LeaveRoomDialog } from './leave-room-dialog'
import { MembersButton } from './members-button'
import { RoomName } from './room-name'

/** What may stand beside the conversation, one at a time. */
export type Beside = 'members' | 'top'

interface Props {
  room: Room
  beside: Beside | null
  onToggle(which: Beside): void
}

export function RoomHeader({ room, beside, onToggle }: Props) {
  const [leaving, setLeaving] = useState(false)
  const navigate = useNavigate()
  return (
    <PaneHeader>
      <div className="min-w-0 flex-1">
        <h1 className="flex items-center gap-1.5 font-semibold">
          <RoomName room={room} />
        </h1>
        {room.topic ? (
          <p className="truncate text-xs text-soft" dir="auto" title={neutral(room.topic)}>
            {neutral(room.topic)}
          </p>
        ) : null}
      </div>
      {room.member ? (
        <>
          <IconButton
            label="Top messages"
            aria-expanded={beside === 'top'}
            onClick={() => onToggle('top')}
            className="aria-expanded:bg-selected aria-expanded:text-ink"
          >
            <TopIcon />
          </IconButton>
          <MembersButton room={room} expanded={beside === 'members'} onClick={() => onToggle('members')} />
          <Menu
            trigger={
              <IconButton label="Room menu">
                <MoreIcon />
              </IconButton>
            }
          >
            <MenuItem danger onSelect={() => setLeaving(true)}>
              <LeaveIcon />
              Leave room
            </MenuItem>
          </Menu>
          <LeaveRoomDialog
            room={room}
            open={leaving}
            onOpenChange={setLeaving}
            onLeft={() => void navigate({ to: '/rooms' })}
          />
        </>
      ) : null}
    </PaneHeader>
  )
}
