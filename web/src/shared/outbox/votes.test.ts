import { expect, test } from 'vitest'
import {
  answered,
  begun,
  composed,
  counted,
  type Entry,
  interrupted,
  nextStep,
  outvoted,
  passed,
  storedVotes,
  type VoteValue,
  voteUnderWay,
} from './machine'

const vote = (order: number, value: VoteValue, more: Partial<Entry> = {}): Entry => ({
  ...composed(
    { room: 'r', cid: `v${order}`, base: 7, body: '', owner: 'tab', order, vote: { message: 'm', value } },
    0,
  ),
  ...more,
})
const message = (order: number): Entry =>
  composed({ room: 'r', cid: `c${order}`, base: 7, body: 'hi', owner: 'tab', order }, 0)

test('an earlier vote on the message that was not sent yet is forgotten', () => {
  expect(outvoted(vote(1, 1))).toBeNull()
})

test('one of unknown outcome goes before the newer one as long as it holds the room, and never after a reconnect', () => {
  const unknown = outvoted(answered(begun(vote(1, 1)), { type: 'unknown', retry_after_ms: 0 }, 0) as Entry) as Entry
  expect(nextStep([unknown, vote(2, -1)], 'r', 0)).toMatchObject({ do: 'retry', entry: { cid: 'v1' } })
  expect(interrupted(unknown)).toBeNull()
  expect(interrupted(begun(unknown))).toBeNull()
  expect(answered(begun(unknown), { type: 'unknown', final: true }, 0)).toBeNull()
})

test('a vote that was told to wait holds up no message, and goes when its time has come', () => {
  const waiting = answered(begun(vote(1, 1)), { type: 'rejected', code: 'rate_limited', retry_after_ms: 400 }, 1_000)
  expect(waiting).toMatchObject({ state: 'pending', tried: false, not_before: 1_400 })
  expect(nextStep([waiting as Entry, message(2)], 'r', 1_100)).toMatchObject({ do: 'send', entry: { cid: 'c2' } })
  expect(nextStep([waiting as Entry], 'r', 1_100)).toEqual({ do: 'wait', ms: 300 })
  expect(nextStep([waiting as Entry, message(2)], 'r', 1_400)).toMatchObject({ do: 'send', entry: { cid: 'v1' } })
})

test('one of unknown outcome holds up what comes after it, as a message does', () => {
  const unknown = answered(begun(vote(1, 1)), { type: 'unknown', retry_after_ms: 500 }, 0) as Entry
  expect(nextStep([unknown, message(2)], 'r', 100)).toEqual({ do: 'wait', ms: 400 })
  expect(nextStep([unknown, message(2)], 'r', 500)).toMatchObject({ do: 'retry', entry: { cid: 'v1' } })
})

test('a refusal for good ends it, an outcome that nobody can know drops it', () => {
  expect(answered(begun(vote(1, 1)), { type: 'rejected', code: 'not_found' }, 0)).toMatchObject({ state: 'failed' })
  expect(answered(begun(vote(1, 1)), { type: 'unknown', final: true }, 0)).toBeNull()
})

test('an accepted vote shows until a tally has counted it, however far the room has gone', () => {
  const accepted = answered(begun(vote(1, 1)), { type: 'ack', at_most: 40 }, 0) as Entry
  expect(voteUnderWay([accepted], 'm')?.vote?.value).toBe(1)
  expect(passed([accepted], 'r', 100)).toEqual([])
  expect(counted([accepted], () => 40)).toEqual([])
  expect(counted([accepted], () => 41)).toEqual([accepted])
})

test('a vote that changed nothing is done when the store has it', () => {
  const accepted = answered(begun(vote(1, 1)), { type: 'ack', at_most: 40 }, 0) as Entry
  expect(storedVotes([accepted], 'r', 40)).toEqual([])
  expect(storedVotes([accepted], 'r', 41)).toEqual([accepted])
  expect(storedVotes([accepted, vote(2, 1)], 'other', 99)).toEqual([])
})

test('of several the newest shows; one that failed or is being taken back does not', () => {
  const accepted = answered(begun(vote(1, 1)), { type: 'ack', at_most: 40 }, 0) as Entry
  expect(voteUnderWay([accepted, vote(2, -1)], 'm')?.vote?.value).toBe(-1)
  expect(voteUnderWay([accepted, vote(2, -1, { state: 'failed' })], 'm')?.vote?.value).toBe(1)
  expect(voteUnderWay([vote(2, -1, { discarded: true })], 'm')).toBeUndefined()
})
