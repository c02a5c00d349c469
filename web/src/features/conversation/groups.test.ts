import { expect, test } from 'vitest'
import { composed } from '@/shared/outbox/machine'
import type { Item } from '@/shared/socket/protocol'
import { createGroups } from './groups'

const START = Date.parse('2026-03-01T12:00:00Z')
const item = (minute: number, sender = 'ada'): Item => ({
  position: 100 + minute,
  kind: 'message',
  id: `m${minute}`,
  sender,
  body: '',
  sent_at: new Date(START + minute * 60_000).toISOString(),
})
const entry = (cid: string, minute: number) =>
  composed({ room: 'r', cid, base: 0, body: 'x', owner: 't', order: minute }, START + minute * 60_000)

test('who talks on and on is named again five minutes after the name, not after the last pause', () => {
  const headsOf = createGroups()
  expect(
    headsOf(
      [0, 3, 5, 6, 9, 12].map((minute) => item(minute)),
      [],
      'me',
      null,
    ),
  ).toEqual([0, 0, 0, 3, 3, 5])
})

test('another author, the line and what is on its way take their part', () => {
  const headsOf = createGroups()
  const items = [item(0), item(1), item(2, 'me')]
  expect(headsOf(items, [entry('a', 3), entry('b', 8)], 'me', 1)).toEqual([0, 1, 2, 2, 4])
  expect(headsOf(items, [], 'me', null)).toEqual([0, 0, 2])
})

test('rows that are added to what is known are worked out as if they had been there from the beginning', () => {
  const headsOf = createGroups()
  const all = [0, 4, 6, 7, 8, 13].map((minute) => item(minute))
  const steps = [all.slice(2, 4), all.slice(2), all, all.slice(0, 3), all.filter((_, index) => index !== 2)]
  for (const items of steps) expect([...headsOf(items, [], 'me', null)]).toEqual(createGroups()(items, [], 'me', null))
})
