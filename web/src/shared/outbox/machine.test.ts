import { expect, test } from 'vitest'
import type { Item } from '../socket/protocol'
import {
  answered,
  arrived,
  begun,
  composed,
  discarded,
  type Entry,
  interrupted,
  nextStep,
  passed,
  revived,
} from './machine'

const entry = (order: number, more: Partial<Entry> = {}): Entry => ({
  ...composed({ room: 'r', cid: `c${order}`, base: 7, body: 'hi', owner: 'tab', order }, 0),
  ...more,
})

test('messages of a room are sent in order, one at a time', () => {
  const [first, second] = [entry(1), entry(2)]
  expect(nextStep([second, first], 'r', 0)).toEqual({ do: 'send', entry: first })
  expect(nextStep([begun(first), second], 'r', 0)).toBeNull()
  expect(nextStep([first], 'other', 0)).toBeNull()
})

test('what was tried is sent as a retry', () => {
  const lost = interrupted(begun(entry(1))) as Entry
  expect(lost).toMatchObject({ state: 'pending', tried: true })
  expect(nextStep([lost], 'r', 0)).toEqual({ do: 'retry', entry: lost })
})

test('an unknown outcome holds back what comes after it until it is settled', () => {
  const unknown = answered(begun(entry(1)), { type: 'unknown', retry_after_ms: 700 }, 1_000) as Entry
  const later = entry(2)
  expect(nextStep([unknown, later], 'r', 1_200)).toEqual({ do: 'wait', ms: 500 })
  expect(nextStep([unknown, later], 'r', 1_700)).toEqual({ do: 'retry', entry: unknown })
})

test('an ack is accepted and lets the next one go', () => {
  const accepted = answered(begun(entry(1)), { type: 'ack', at_most: 40 }, 0) as Entry
  expect(accepted).toMatchObject({ state: 'accepted', at_most: 40 })
  expect(nextStep([accepted, entry(2)], 'r', 0)).toMatchObject({ do: 'send', entry: { cid: 'c2' } })
})

test('a refusal fails, does not block the next, and may be sent again as a first attempt', () => {
  const failed = answered(begun(entry(1)), { type: 'rejected', code: 'rate_limited' }, 0) as Entry
  expect(failed).toMatchObject({ state: 'failed', code: 'rate_limited', tried: false })
  expect(nextStep([failed, entry(2)], 'r', 0)).toMatchObject({ entry: { cid: 'c2' } })
  const again = revived(failed, { cid: 'new', base: 99 })
  expect(again).toMatchObject({ cid: 'c1', base: 7, state: 'pending' })
  expect(nextStep([again], 'r', 0)).toMatchObject({ do: 'send' })
})

test('a final refusal is only ever sent anew, under another id', () => {
  const failed = answered(begun(entry(1)), { type: 'rejected', code: 'cancelled', final: true }, 0) as Entry
  expect(revived(failed, { cid: 'new', base: 99 })).toMatchObject({ cid: 'new', base: 99, tried: false })
})

test('a base that the server does not know is given up with its id', () => {
  const failed = answered(begun(entry(1)), { type: 'rejected', code: 'base_ahead' }, 0) as Entry
  expect(revived(failed, { cid: 'new', base: 3 })).toMatchObject({ cid: 'new', base: 3 })
})

test('an outcome that can no longer be known keeps the text', () => {
  const failed = answered(begun(entry(1)), { type: 'unknown', final: true }, 0)
  expect(failed).toMatchObject({ state: 'failed', code: 'unconfirmed', final: true, body: 'hi' })
})

test('discarding what was never sent, or was refused, just removes it', () => {
  expect(discarded(entry(1))).toBeNull()
  expect(discarded(answered(begun(entry(1)), { type: 'rejected', code: 'x' }, 0) as Entry)).toBeNull()
})

test('discarding what may have been sent asks the server which of the two it is', () => {
  const withdrawn = discarded(interrupted(begun(entry(1))) as Entry) as Entry
  expect(nextStep([withdrawn], 'r', 0)).toEqual({ do: 'drop', entry: withdrawn })
  const dropping = begun(withdrawn)
  expect(answered(dropping, { type: 'rejected', code: 'cancelled', final: true }, 0)).toBeNull()
  expect(answered(dropping, { type: 'ack', at_most: 5 }, 0)).toMatchObject({ state: 'accepted', discarded: false })
  expect(answered(dropping, { type: 'unknown', retry_after_ms: 10 }, 0)).toMatchObject({ discarded: true })
})

test('a row of mine with the same cid strikes the entry; somebody else’s does not', () => {
  const row = (sender: string) => ({ sender, cid: 'c1', position: 3 }) as Item
  expect(arrived([entry(1)], 'r', [row('me')], 'me')).toHaveLength(1)
  expect(arrived([entry(1)], 'r', [row('mallory')], 'me')).toHaveLength(0)
  expect(arrived([entry(1)], 'other', [row('me')], 'me')).toHaveLength(0)
})

test('an accepted entry ends where its place has been passed', () => {
  const accepted = answered(begun(entry(1)), { type: 'ack', at_most: 40 }, 0) as Entry
  expect(passed([accepted], 'r', 40)).toHaveLength(0)
  expect(passed([accepted], 'r', 41)).toHaveLength(1)
})
