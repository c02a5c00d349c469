import { expect, test } from 'vitest'
import { composed, type Entry } from '@/shared/outbox/machine'
import type { Item } from '@/shared/socket/protocol'
import { type Row, rowAt, rowKey, startsDay, startsGroup, unseen } from './rows'

const row = (at: string, more: Partial<Row> = {}): Row => ({
  key: at,
  kind: 'message',
  sender: 'ada',
  at: Date.parse(at),
  state: 'stored',
  item: null,
  entry: null,
  ...more,
})
const item = (position: number, more: Partial<Item> = {}): Item => ({
  position,
  kind: 'message',
  id: `m${position}`,
  sender: 'me',
  cid: `c${position}`,
  body: '',
  sent_at: '2026-03-01T12:00:00.000Z',
  ...more,
})
const entry = (cid: string): Entry => composed({ room: 'r', cid, base: 0, body: 'x', owner: 't', order: 1 }, 0)

test('the same author within five minutes of the name is one group', () => {
  const first = row('2026-03-01T12:00:00')
  expect(startsGroup(null, first)).toBe(true)
  expect(startsGroup(first, row('2026-03-01T12:05:00'))).toBe(false)
  expect(startsGroup(first, row('2026-03-01T12:05:01'))).toBe(true)
  expect(startsGroup(first, row('2026-03-01T12:01:00', { sender: 'bo' }))).toBe(true)
  expect(startsGroup(row('2026-03-01T12:00:00', { kind: 'system' }), row('2026-03-01T12:01:00'))).toBe(true)
})

test('a new day starts a group and a day', () => {
  const before = row('2026-03-01T23:59:00')
  const after = row('2026-03-02T00:00:30')
  expect(startsDay(before, after)).toBe(true)
  expect(startsGroup(before, after)).toBe(true)
})

test('a message keeps its key from the moment it is written', () => {
  const pending = [entry('c7')]
  expect(rowKey([], pending, 'me', 0)).toBe(rowKey([item(7)], [], 'me', 0))
  expect(rowKey([item(7, { sender: 'mallory' })], [], 'me', 0)).toBe('m7')
})

test('a frame and its outbox entry are never two rows', () => {
  expect(unseen([entry('c7'), entry('c8')], 'r', [item(7)], 'me').map((left) => left.cid)).toEqual(['c8'])
  expect(unseen([entry('c7')], 'r', [item(7, { sender: 'mallory' })], 'me')).toHaveLength(1)
})

test('a row says how far its message has come', () => {
  expect(rowAt([item(1)], [], 'me', 0)?.state).toBe('accepted')
  expect(rowAt([item(1, { seq: 3 })], [], 'me', 0)?.state).toBe('stored')
  expect(rowAt([item(1)], [], 'me', 0, 2)?.state).toBe('stored')
  expect(rowAt([], [{ ...entry('a'), state: 'sending' }], 'me', 0)?.state).toBe('pending')
  expect(rowAt([], [], 'me', 0)).toBeNull()
})
