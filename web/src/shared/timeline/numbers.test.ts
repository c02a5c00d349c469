import { expect, test } from 'vitest'
import type { Item } from '../socket/protocol'
import { indexOfNumber, lastNumber, numberAt, numberIn } from './numbers'

const item = (position: number, kind: string, seq?: number): Item =>
  ({ position, kind, id: `${position}`, sent_at: '2026-11-23T10:00:00.000Z', seq }) as Item

/** 7, 8, an event, then two that are not stored yet. */
const rows = [
  item(10, 'message', 7),
  item(11, 'message', 8),
  item(12, 'system'),
  item(20, 'message'),
  item(21, 'message'),
]

test('live messages are counted on from the last one with a number', () => {
  expect(rows.map((_, index) => numberAt(rows, index))).toEqual([7, 8, 8, 9, 10])
  expect(lastNumber(rows, 3)).toBe(10)
  expect(lastNumber(rows, 12)).toBe(12)
})

test('and counted back where only a later one has a number', () => {
  const live = [item(1, 'message'), item(2, 'message'), item(3, 'message', 40)]
  expect(live.map((_, index) => numberAt(live, index))).toEqual([38, 39, 40])
})

test('without any number nothing is known', () => {
  expect(numberAt([item(1, 'message')], 0)).toBeNull()
  expect(indexOfNumber({ items: [item(1, 'message')], hasOlder: true }, 1)).toBeNull()
})

test('in a new room the first message is the first, before the store has seen it', () => {
  const held = { items: [item(1, 'system'), item(2, 'message'), item(3, 'message')], hasOlder: false }
  expect(held.items.map((_, index) => numberIn(held, index))).toEqual([0, 1, 2])
  expect(indexOfNumber(held, 2)).toBe(2)
  expect(numberIn({ ...held, hasOlder: true }, 1)).toBeNull()
})

test('a number leads to its message', () => {
  const held = { items: rows, hasOlder: true }
  expect([7, 8, 9, 10].map((number) => indexOfNumber(held, number))).toEqual([0, 1, 3, 4])
  expect(indexOfNumber(held, 11)).toBe(rows.length)
})
