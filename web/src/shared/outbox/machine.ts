import type { Item } from '../socket/protocol'

/** 0 takes an earlier vote back. */
export type VoteValue = -1 | 0 | 1

/**
 * One message, or one vote, on its way. `room, cid, base` are its identity: a retry repeats all three.
 * `accepted` is in the log, only its frame has not come yet.
 */
export interface Entry {
  room: string
  cid: string
  base: number
  body: string
  created_at: number
  /** Order within the room; equal times must not swap two messages. */
  order: number
  tried: boolean
  state: 'pending' | 'sending' | 'accepted' | 'failed'
  /** The person withdrew it after it may have been sent: it is settled by a `drop`. */
  discarded: boolean
  not_before: number
  /** The tab that sends it. */
  owner: string
  code: string | null
  final: boolean
  at_most: number | null
  /** A vote has no body. */
  vote?: { message: string; value: VoteValue }
}

export type Step = { do: 'send' | 'retry' | 'drop'; entry: Entry } | { do: 'wait'; ms: number } | null

export type Answer =
  | { type: 'ack'; at_most: number }
  | { type: 'rejected'; code: string; final?: boolean | null; retry_after_ms?: number | null }
  | { type: 'unknown'; retry_after_ms?: number | null; final?: boolean | null }

const RETRY_MS = 1_000
/** Refusals that pass. A message waits for the person, who sees it; a vote is one press and goes by itself. */
const PASSING = new Set(['rate_limited', 'queue_full', 'overloaded', 'unavailable', 'auth_unverified', 'order_hold'])

export function composed(
  fields: Pick<Entry, 'room' | 'cid' | 'base' | 'body' | 'owner' | 'order' | 'vote'>,
  now: number,
): Entry {
  return {
    ...fields,
    created_at: now,
    tried: false,
    state: 'pending',
    discarded: false,
    not_before: 0,
    code: null,
    final: false,
    at_most: null,
  }
}

/** What a room should do next: strictly in order and one at a time, so that an unknown outcome holds back the later ones. */
export function nextStep(entries: readonly Entry[], room: string, now: number): Step {
  const queue = entries.filter((entry) => entry.room === room).sort((a, b) => a.order - b.order)
  if (queue.some((entry) => entry.state === 'sending')) return null
  const pending = queue.filter((entry) => entry.state === 'pending')
  // A vote that was told to wait is in nobody's way: nothing of it is in the log.
  const head = pending.find((entry) => !entry.vote || entry.tried || entry.not_before <= now) ?? pending[0]
  if (!head) return null
  if (head.not_before > now) return { do: 'wait', ms: head.not_before - now }
  if (head.discarded && !head.vote) return { do: 'drop', entry: head }
  return { do: head.tried ? 'retry' : 'send', entry: head }
}

/** Written to the outbox before the frame leaves: after a crash nobody could tell otherwise. */
export function begun(entry: Entry): Entry {
  return { ...entry, tried: true, state: 'sending' }
}

/** What an answer makes of an entry; null takes it out of the outbox. */
export function answered(entry: Entry, answer: Answer, now: number): Entry | null {
  if (answer.type === 'ack') {
    return { ...entry, state: 'accepted', discarded: false, at_most: answer.at_most }
  }
  if (answer.type === 'rejected') {
    if (entry.discarded) return null
    if (entry.vote && PASSING.has(answer.code) && !answer.final) {
      return { ...entry, state: 'pending', tried: false, not_before: now + (answer.retry_after_ms ?? RETRY_MS) }
    }
    return { ...entry, state: 'failed', tried: false, code: answer.code, final: answer.final === true }
  }
  if (answer.final) {
    // It can no longer be settled. What the person wrote is kept until they decide; a vote is cast again with one press.
    return entry.discarded || entry.vote ? null : { ...entry, state: 'failed', code: 'unconfirmed', final: true }
  }
  return { ...entry, state: 'pending', not_before: now + (answer.retry_after_ms ?? RETRY_MS) }
}

/**
 * The connection went away: the outcome of what was being sent is open, the replay or a retry will tell. Null for a vote
 * that a newer one replaced: with the connection its hold on the room has ended, and it is not retried.
 */
export function interrupted(entry: Entry): Entry | null {
  if (entry.vote && entry.discarded && entry.state !== 'accepted') return null
  return entry.state === 'sending' ? { ...entry, state: 'pending', not_before: 0 } : entry
}

/** A code after which the same identity can never succeed. */
const SPENT = new Set(['base_ahead'])

/** Sending a refused message again: as before, or as a new one where the old identity is spent. */
export function revived(entry: Entry, fresh: { cid: string; base: number }): Entry {
  const spent = entry.final || (entry.code !== null && SPENT.has(entry.code))
  return { ...entry, ...(spent ? fresh : {}), state: 'pending', tried: false, code: null, final: false, not_before: 0 }
}

/** Null: nothing can have been sent, so it just goes. Otherwise a `drop` has to settle it. */
export function discarded(entry: Entry): Entry | null {
  if (entry.state === 'failed' || !entry.tried) return null
  return { ...entry, discarded: true, not_before: 0 }
}

/** The entries that these rows show to have arrived. */
export function arrived(entries: readonly Entry[], room: string, items: readonly Item[], me: string): Entry[] {
  const mine = entries.filter((entry) => entry.room === room)
  if (mine.length === 0) return []
  const cids = new Set(items.filter((item) => item.sender === me && item.cid).map((item) => item.cid))
  return mine.filter((entry) => cids.has(entry.cid))
}

/** What a newer vote of mine makes of an earlier one on the same message. Where its outcome is unknown it holds the room until it is settled. */
export function outvoted(entry: Entry): Entry | null {
  return entry.state === 'accepted' ? entry : discarded(entry)
}

/** My vote that is not in the tally yet. */
export function voteUnderWay(entries: readonly Entry[], message: string): Entry | undefined {
  return entries.findLast((entry) => entry.vote?.message === message && entry.state !== 'failed' && !entry.discarded)
}

/** Accepted votes that are in the store. */
export function storedVotes(entries: readonly Entry[], room: string, cursor: number): Entry[] {
  return entries.filter(
    (entry) =>
      entry.vote &&
      entry.room === room &&
      entry.state === 'accepted' &&
      entry.at_most !== null &&
      entry.at_most < cursor,
  )
}

/** Accepted votes that these tallies have counted. */
export function counted(entries: readonly Entry[], asOf: (message: string) => number | undefined): Entry[] {
  return entries.filter(
    ({ vote, state, at_most }) =>
      vote && state === 'accepted' && at_most !== null && (asOf(vote.message) ?? 0) > at_most,
  )
}

/** Accepted entries whose place in the room has been passed: their row is held, or older than what is held. */
export function passed(entries: readonly Entry[], room: string, cursor: number): Entry[] {
  return entries.filter(
    (entry) =>
      entry.room === room &&
      !entry.vote &&
      entry.state === 'accepted' &&
      entry.at_most !== null &&
      entry.at_most < cursor,
  )
}
