import { expect, test } from 'vitest'
import type { Link } from '@/shared/live/link'
import type { Timeline } from '@/shared/timeline/timeline'
import { asText, facts, NONE } from './facts'

const link: Link = { gateway: 'gateway-2', origin: 'resumed', roundTripMs: 3.26 }
const held = { cursor: 42, stored: 40 } as Timeline
const values = (shown: ReturnType<typeof facts>) => Object.fromEntries(shown.map(({ label, value }) => [label, value]))

test('who serves this window, how it came about, and how far the room is', () => {
  expect(values(facts('open', link, held))).toEqual({
    Gateway: 'gateway-2',
    Connection: 'connected',
    'Came about': 'resumed',
    'Round trip': '3.3 ms',
    Cursor: '42',
    'Stored below': '40',
  })
})

test('without a connection nobody serves, whoever did before', () => {
  expect(values(facts('waiting', link, held))).toMatchObject({ Gateway: NONE, 'Round trip': NONE, Cursor: '42' })
})

test('without a room, and before anything was stored, there is no position to tell', () => {
  expect(values(facts('open', link, undefined))).toMatchObject({ Cursor: NONE, 'Stored below': NONE })
  expect(values(facts('open', link, { ...held, stored: 0 }))).toMatchObject({ 'Stored below': NONE })
})

test('the copy says of which room and when', () => {
  const text = asText(facts('open', link, held), 'r-1', new Date('2026-01-02T03:04:05Z'))
  expect(text.split('\n')).toContain('Gateway: gateway-2')
  expect(text.split('\n').slice(-2)).toEqual(['Room: r-1', 'At: 2026-01-02T03:04:05.000Z'])
})
