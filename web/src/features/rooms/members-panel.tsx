import { useInfiniteQuery } from '@tanstack/react-query'
import { sentenceOf } from '@/shared/api/problem'
import type { Member } from '@/shared/api/types'
import { usePresence } from '@/shared/live/context'
import { neutral } from '@/shared/text/tokens'
import { Avatar } from '@/shared/ui/avatar'
import { IconButton } from '@/shared/ui/button'
import { CloseIcon } from '@/shared/ui/icons'
import { ListEnd } from '@/shared/ui/list-end'
import { OnlineDot } from '@/shared/ui/online-dot'
import { Failed, Skeleton } from '@/shared/ui/states'
import { membersQuery } from './api/members'

/** Beside the conversation where there is room for both, above it on a phone. */
export function MembersPanel({ room, onClose }: { room: string; onClose(): void }) {
  return (
    <aside
      aria-label="Members"
      className="absolute inset-0 z-10 flex flex-col border-line bg-page md:static md:w-64 md:shrink-0 md:border-l"
    >
      <header className="flex h-12 shrink-0 items-center justify-between border-b border-line pr-2 pl-4 md:border-b-0">
        <h2 className="text-sm font-semibold">Members</h2>
        <IconButton label="Close members" onClick={onClose}>
          <CloseIcon />
        </IconButton>
      </header>
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto">
        <MemberList room={room} />
      </div>
    </aside>
  )
}

function MemberList({ room }: { room: string }) {
  const members = useInfiniteQuery(membersQuery(room))
  const online = usePresence(room)?.users
  if (members.isPending) return <Skeleton rows={4} label="Loading members" />
  if (members.isLoadingError) {
    return (
      <Failed what="The members did not load" why={sentenceOf(members.error)} onRetry={() => void members.refetch()} />
    )
  }
  return (
    <>
      <ul className="flex flex-col px-2 pb-2">
        {members.data.map((member) => (
          <MemberRow key={member.user.id} member={member} online={online?.has(member.user.id) === true} />
        ))}
      </ul>
      <ListEnd of={members} more="Show more members" />
    </>
  )
}

function MemberRow({ member: { user, role }, online }: { member: Member; online: boolean }) {
  return (
    <li className="flex min-h-12 items-center gap-2.5 px-2">
      <Avatar name={user.display_name} color={user.color} />
      <span className="min-w-0 flex-1">
        <span className="flex items-baseline gap-1.5">
          <span className="truncate text-sm font-semibold" dir="auto">
            {neutral(user.display_name)}
          </span>
          {role === 'owner' ? <span className="text-xs text-soft">Owner</span> : null}
          {online ? (
            <span className="ml-auto inline-flex shrink-0 items-center gap-1.5 text-xs text-soft">
              <OnlineDot />
              Online
            </span>
          ) : null}
        </span>
        <span className="block truncate text-xs text-soft" dir="auto">
          {neutral(user.status_text || user.user_name)}
        </span>
      </span>
    </li>
  )
}
