import { useStore } from 'zustand'
import { useLive } from '../live/context'
import { voteUnderWay } from '../outbox/machine'
import { type Counted, newest, pressed, votesOf } from './tallies'

/** The votes on one message as this person should see them, and how to cast one. `known` is what else told its tally. */
export function useVotes(room: string, message: string, known?: Counted) {
  const live = useLive()
  const held = useStore(live.timelines, (state) => state.rooms[room]?.tallies[message])
  const underWay = useStore(live.outbox, (state) => voteUnderWay(state.entries, message)?.vote?.value)
  const refused = useStore(
    live.outbox,
    (state) => state.entries.find((entry) => entry.vote?.message === message && entry.state === 'failed')?.code,
  )
  const votes = votesOf(newest(held, known), underWay)
  return { votes, refused, press: (value: -1 | 1) => live.vote(room, message, pressed(votes.mine, value)) }
}
