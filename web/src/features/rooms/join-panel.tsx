import { sentenceOf } from '@/shared/api/problem'
import type { Room } from '@/shared/api/types'
import { neutral } from '@/shared/text/tokens'
import { Button } from '@/shared/ui/button'
import { FormError } from '@/shared/ui/field'
import { Notice } from '@/shared/ui/states'
import { useJoinRoom } from './api/join-room'
import { memberCount } from './room-name'

export function JoinPanel({ room }: { room: Room }) {
  const join = useJoinRoom()
  return (
    <div className="flex flex-1 items-center">
      <Notice
        title={`Join ${neutral(room.name)}?`}
        action={
          <>
            <FormError text={join.error ? sentenceOf(join.error) : null} />
            <Button busy={join.isPending} onClick={() => join.mutate(room.id)}>
              Join room
            </Button>
          </>
        }
      >
        {room.topic ? `${neutral(room.topic)} · ` : ''}
        {memberCount(room.members)}
      </Notice>
    </div>
  )
}
