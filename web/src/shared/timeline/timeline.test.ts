import { expect, test } from 'vitest'
import type { Item } from '../socket/protocol'
import {
  advanced,
  fold,
  lowerBound,
  older,
  raised,
  replaced,
  replayed,
  type Timeline,
  voided,
  withTallies,
} from './timeline'

const message = (position: number, more: Partial<Item> = {}): Item => ({
  position,
  kind: 'message',
  id: `m${position}`,
  sender: 'ada',
  cid: `c${position}`,
  body: `text ${position}`,
  sent_at: '2026-01-01T00:00:00.000Z',
  ...more,
})
const edit = (position: number, target: string, body: string) => message(position, { kind: 'edit', target, body })
const positions = (timeline: Pick<Timeline, 'items'>) => timeline.items.map((item) => item.position)
const at = (items: Item[], cursor: number): Timeline =>
  replaced({ items, start: items[0]?.position ?? cursor, cursor, has_older: true, last_seq: items.length })
const frames = (prev: number, ...items: Item[]) => ({ type: 'frames' as const, room: 'r', prev, items })
const page = (start: number, end: number, items: Item[]) => ({
  type: 'page' as const,
  ref: 1,
  room: 'r',
  items,
  users: [],
  start,
  end,
  has_older: false,
  has_newer: true,
})

test('frames that join raise the cursor past the last record', () => {
  const next = advanced(at([message(10)], 11), frames(11, message(12), message(15)))
  expect(next).toMatchObject({ cursor: 16, lastSeq: 3 })
  expect(next && positions(next)).toEqual([10, 12, 15])
})

test('frames beyond the cursor are a gap', () => {
  expect(advanced(at([message(10)], 11), frames(12, message(13)))).toBeNull()
})

test('a frame that comes twice changes nothing', () => {
  const once = advanced(at([message(10)], 11), frames(11, message(12)))
  const twice = once && advanced(once, frames(11, message(12)))
  expect(twice && positions(twice)).toEqual([10, 12])
  expect(twice).toMatchObject({ cursor: 13, lastSeq: 2 })
})

test('an edit changes its target in place and is no row', () => {
  const next = advanced(at([message(10), message(11)], 12), frames(12, edit(12, 'm10', 'better')))
  expect(next && positions(next)).toEqual([10, 11])
  expect(next?.items[0]).toMatchObject({ body: 'better', edited: true, rev: 12 })
  expect(next?.cursor).toBe(13)
})

test('an older edit does not undo a newer one', () => {
  const items = fold([message(10, { rev: 20, body: 'newest', edited: true })], [edit(15, 'm10', 'older')])
  expect(items[0]?.body).toBe('newest')
})

test('a deletion leaves a row without its text', () => {
  const items = fold([message(10)], [message(11, { kind: 'delete', target: 'm10' })])
  expect(items).toHaveLength(1)
  expect(items[0]).toMatchObject({ deleted: true, body: null })
})

test('the same row with a larger revision replaces, with a smaller one does not', () => {
  const held = [message(10, { rev: 12, body: 'b' })]
  expect(fold(held, [message(10, { rev: 14, body: 'c' })])[0]?.body).toBe('c')
  expect(fold(held, [message(10, { body: 'a' })])[0]?.body).toBe('b')
})

test('a stored copy gives a live row its number', () => {
  expect(fold([message(10)], [message(10, { seq: 4 })])[0]?.seq).toBe(4)
})

test('a replay comes in pieces and is live with the last one', () => {
  const piece = (prev: number, cursor: number, more: boolean, ...items: Item[]) => ({
    type: 'replay' as const,
    room: 'r',
    prev,
    items,
    users: [],
    cursor,
    more,
    last_seq: 9,
    catching_up: false,
  })
  const held = { ...at([message(10)], 11), live: false }
  const first = replayed(held, piece(11, 14, true, message(12)))
  expect(first).toMatchObject({ live: false, cursor: 14 })
  const second = first && replayed(first, piece(14, 20, false, message(16)))
  expect(second).toMatchObject({ live: true, cursor: 20, lastSeq: 9 })
  expect(second && positions(second)).toEqual([10, 12, 16])
  expect(replayed(held, piece(12, 20, false))).toBeNull()
})

test('a resync replaces everything that was held', () => {
  expect(positions(at([message(50)], 60))).toEqual([50])
})

test('an older page joins below, once, even where its end lies below what was asked', () => {
  const held = at([message(10)], 11)
  const next = older(held, page(5, 9, [message(5), message(8)]), 10)
  expect(positions(next)).toEqual([5, 8, 10])
  expect(next).toMatchObject({ start: 5, hasOlder: false, cursor: 11 })
  expect(older(next, page(5, 9, [message(5), message(8)]), 10)).toBe(next)
})

test('a page for what is no longer held is not taken', () => {
  const held = at([message(50)], 60)
  expect(older(held, page(5, 9, [message(5)]), 10)).toBe(held)
})

test('a replayed old row from below what is held waits for its page', () => {
  const held = at([message(10)], 11)
  const frame = {
    type: 'replay' as const,
    room: 'r',
    prev: 11,
    items: [message(4, { rev: 12 }), message(10, { rev: 13, body: 'better' })],
    users: [],
    cursor: 14,
    more: false,
    catching_up: false,
  }
  const next = replayed(held, frame)
  expect(next && positions(next)).toEqual([10])
  expect(next?.items[0]?.body).toBe('better')
})

test('a kind that is not known is no row, but raises the cursor', () => {
  const next = advanced(at([message(10)], 11), frames(11, message(12, { kind: 'poll' })))
  expect(next && positions(next)).toEqual([10])
  expect(next?.cursor).toBe(13)
})

test('where the server leaves the number of messages out, what is known stays', () => {
  const frame = { items: [message(10, { seq: 7 }), message(11)], start: 10, cursor: 12, has_older: true }
  expect(replaced(frame).lastSeq).toBe(8)
  expect(replaced(frame, 30).lastSeq).toBe(30)
})

test('a cursor is raised, never lowered', () => {
  const held = at([message(10)], 11)
  expect(raised(held, 30).cursor).toBe(30)
  expect(raised(held, 5)).toBe(held)
})

test('the place of a position is found in a long list', () => {
  const items = Array.from({ length: 1_000 }, (_, index) => message(index * 3))
  expect(lowerBound(items, 300)).toBe(100)
  expect(lowerBound(items, 301)).toBe(101)
  expect(lowerBound(items, 9_999)).toBe(1_000)
})

const votes = (as_of: number, ...ups: [position: number, up: number][]) => ({
  as_of,
  items: ups.map(([position, up]) => ({ target: `m${position}`, position, up, down: 0 })),
})
const ups = (timeline: Timeline) => Object.fromEntries(Object.entries(timeline.tallies).map(([id, { up }]) => [id, up]))

test('votes are kept from the start of what is held on, and older ones come with their page', () => {
  const held = withTallies(at([message(10)], 11), votes(20, [5, 1], [10, 2], [15, 3]))
  expect(ups(held)).toEqual({ m10: 2, m15: 3 })
  const more = older(held, { ...page(5, 10, [message(5)]), tallies: votes(19, [5, 4]) }, 10)
  expect(ups(more)).toEqual({ m5: 4, m10: 2, m15: 3 })
})

test('the newest page does not set newer votes back', () => {
  const held = withTallies(at([message(10)], 11), votes(20, [10, 2]))
  const newest = { items: [message(10)], start: 10, cursor: 30, has_older: false, tallies: votes(18, [10, 1]) }
  expect(ups(replaced(newest, 0, held.tallies))).toEqual({ m10: 2 })
  expect(ups(replaced({ ...newest, tallies: votes(21, [10, 5]) }, 0, held.tallies))).toEqual({ m10: 5 })
})

test('what could not be stored is taken away', () => {
  const held = at([message(10), message(11), message(12)], 13)
  expect(positions(voided(held, [11, 99]))).toEqual([10, 12])
  expect(voided(held, [99])).toBe(held)
})
