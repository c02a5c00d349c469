import { useInfiniteQuery } from '@tanstack/react-query'
import { Popover } from 'radix-ui'
import { neutral } from '../text/tokens'
import { Avatar } from '../ui/avatar'
import { IconButton } from '../ui/button'
import { DownVoteIcon, PeopleIcon, UpVoteIcon } from '../ui/icons'
import { ListEnd } from '../ui/list-end'
import { Spinner } from '../ui/states'
import { type Voter, votersQuery } from './voters'

interface Props {
  room: string
  message: string
}

export function WhoVoted(props: Props) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <IconButton label="Who voted" className="-my-1.5 md:-my-1 md:size-7">
          <PeopleIcon size={16} />
        </IconButton>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          aria-label="Who voted"
          align="start"
          collisionPadding={12}
          className="scroll-quiet z-50 max-h-72 w-64 animate-rise overflow-y-auto rounded-xl border border-line bg-raised p-1.5 shadow-float"
        >
          <VoterList {...props} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  )
}

function VoterList({ room, message }: Props) {
  const found = useInfiniteQuery(votersQuery(room, message))
  if (found.isPending) {
    return (
      <p className="px-2.5 py-2">
        <Spinner label="Loading votes" />
      </p>
    )
  }
  // There is no room here for more than the line that says so.
  if (found.isLoadingError) return <ListEnd of={found} />
  return (
    <>
      {found.data.length === 0 ? (
        <p className="px-2.5 py-2 text-sm text-soft">Nobody has a vote here any more.</p>
      ) : (
        <ul>
          {found.data.map((voter) => (
            <VoterRow key={voter.id} voter={voter} />
          ))}
        </ul>
      )}
      <ListEnd of={found} more="Show more" />
    </>
  )
}

function VoterRow({ voter: { user, value } }: { voter: Voter }) {
  const name = user?.display_name ?? 'Somebody'
  const Icon = value === 1 ? UpVoteIcon : DownVoteIcon
  return (
    <li className="flex min-h-11 items-center gap-2.5 px-2 md:min-h-10">
      <Avatar name={name} color={user?.color} />
      <span className="min-w-0 flex-1 truncate text-sm font-semibold" dir="auto">
        {neutral(name)}
      </span>
      <span className="text-soft">
        <Icon size={16} />
        <span className="sr-only">{value === 1 ? 'voted up' : 'voted down'}</span>
      </span>
    </li>
  )
}
