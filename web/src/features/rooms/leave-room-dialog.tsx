import { sentenceOf } from '@/shared/api/problem'
import type { Room } from '@/shared/api/types'
import { neutral } from '@/shared/text/tokens'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { FormError } from '@/shared/ui/field'
import { useLeaveRoom } from './api/leave-room'

interface Props {
  room: Room
  open: boolean
  onOpenChange(open: boolean): void
  onLeft(): void
}

export function LeaveRoomDialog({ room, open, onOpenChange, onLeft }: Props) {
  const leave = useLeaveRoom(onLeft)
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title={`Leave ${neutral(room.name)}?`}>
      <FormError text={leave.error ? sentenceOf(leave.error) : null} />
      <p className="text-soft">
        {room.visibility === 'private'
          ? 'This room is private. Once you have left you cannot come back on your own.'
          : 'You can join again at any time from the directory.'}
      </p>
      <div className="mt-6 flex justify-end gap-2">
        <Button look="quiet" autoFocus onClick={() => onOpenChange(false)}>
          Stay
        </Button>
        <Button look="danger" busy={leave.isPending} onClick={() => leave.mutate(room.id)}>
          Leave room
        </Button>
      </div>
    </Dialog>
  )
}
