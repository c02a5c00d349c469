import type { MouseEvent } from 'react'
import { sentenceFor } from '../api/problem'
import { DownVoteIcon, UpVoteIcon } from '../ui/icons'
import type { Counted } from './tallies'
import { useVotes } from './use-votes'
import { WhoVoted } from './who-voted'

interface Props {
  room: string
  message: string
  known?: Counted
}

/** Under a message that has votes. The same buttons, without counts, come up over one that has none. */
export function VoteBar({ room, message, known }: Props) {
  const { votes, refused, press } = useVotes(room, message, known)
  const any = votes.up + votes.down > 0
  return (
    <>
      {any ? (
        <div className="flex items-center gap-1.5 pt-1 pb-1.5 md:pb-1">
          <VotePill value={1} count={votes.up} mine={votes.mine} onPress={press} />
          <VotePill value={-1} count={votes.down} mine={votes.mine} onPress={press} />
          <WhoVoted room={room} message={message} />
        </div>
      ) : null}
      {refused ? (
        <p role="alert" className="text-sm text-danger">
          Your vote did not count. {sentenceFor(refused)}
        </p>
      ) : null}
    </>
  )
}

interface PillProps {
  value: -1 | 1
  count: number
  mine: number
  onPress(value: -1 | 1): void
}

const pill =
  'relative inline-flex h-8 min-w-11 items-center justify-center gap-1 rounded-full border px-2 text-xs font-semibold tabular-nums transition-colors before:absolute before:inset-x-0 before:-inset-y-1.5 md:h-6 md:min-w-0 md:before:hidden'

function VotePill({ value, count, mine, onPress }: PillProps) {
  const own = mine === value
  const Icon = value === 1 ? UpVoteIcon : DownVoteIcon
  return (
    <button
      type="button"
      aria-pressed={own}
      aria-label={`Vote ${value === 1 ? 'up' : 'down'}, ${count}`}
      title={voteTitle(value, own)}
      onMouseDown={keepFocus}
      onClick={() => onPress(value)}
      className={`${pill} ${own ? 'border-accent bg-selected text-ink' : 'border-line text-soft hover:bg-hover hover:text-ink'}`}
    >
      <Icon size={14} className={own ? 'fill-current' : ''} />
      {count}
    </button>
  )
}

/** Over a row that is pointed at, tapped or focused. */
export function VoteActions({ room, message }: Props) {
  const { votes, press } = useVotes(room, message)
  return ([1, -1] as const).map((value) => {
    const own = votes.mine === value
    const Icon = value === 1 ? UpVoteIcon : DownVoteIcon
    return (
      <button
        key={value}
        type="button"
        aria-pressed={own}
        aria-label={`Vote ${value === 1 ? 'up' : 'down'}`}
        title={voteTitle(value, own)}
        onMouseDown={keepFocus}
        onClick={() => press(value)}
        className="inline-flex size-11 items-center justify-center rounded-md text-soft hover:bg-hover hover:text-ink aria-pressed:text-link md:size-7"
      >
        <Icon size={16} className={own ? 'fill-current' : ''} />
      </button>
    )
  })
}

/** Whoever votes with the mouse goes on writing where they were. */
const keepFocus = (event: MouseEvent) => event.preventDefault()

const voteTitle = (value: -1 | 1, own: boolean) => (own ? 'Take back your vote' : value === 1 ? 'Vote up' : 'Vote down')
