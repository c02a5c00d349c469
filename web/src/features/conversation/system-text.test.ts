import { expect, test } from 'vitest'
import type { Item } from '@/shared/socket/protocol'
import { systemText } from './system-text'

const names: Record<string, string> = { a: 'Ada', b: 'Bo' }
const said = (event: string, more: object = {}, kind = 'system') =>
  systemText(
    { position: 1, kind, id: 'i', sender: 'a', sent_at: '', body: { event, ...more } } as Item,
    (id) => names[id] ?? '?',
  )

test('events are sentences about the person they happened to', () => {
  expect(said('created', { member: { user: 'a' } })).toBe('Ada created the room')
  expect(said('joined', { member: { user: 'b' } })).toBe('Bo joined')
  expect(said('left', {}, 'removed')).toBe('Ada left')
  expect(said('kicked', { member: { user: 'b' } }, 'removed')).toBe('Bo was removed')
  expect(said('renamed', { room: { name: 'tea' } })).toBe('The room was renamed to “tea”')
})

test('an event of a newer server is told neutrally', () => {
  expect(said('painted')).toBe('The room was changed')
})
