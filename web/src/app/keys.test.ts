import { expect, test } from 'vitest'
import { commandOf, neighbour } from './keys'

const press = (key: string, held: Partial<Record<'alt' | 'ctrl' | 'meta' | 'shift', true>> = {}, code = '') =>
  commandOf({
    key,
    code,
    altKey: held.alt ?? false,
    ctrlKey: held.ctrl ?? false,
    metaKey: held.meta ?? false,
    shiftKey: held.shift ?? false,
  })

test('the switcher opens by Ctrl or Command', () => {
  expect(press('k', { ctrl: true })).toEqual({ do: 'switch' })
  expect(press('K', { meta: true })).toEqual({ do: 'switch' })
  expect(press('k')).toBeNull()
  expect(press('k', { ctrl: true, alt: true })).toBeNull()
})

test('help opens on keyboards where the slash is shifted, too', () => {
  expect(press('/', { ctrl: true })).toEqual({ do: 'help' })
  expect(press('7', { ctrl: true, shift: true }, 'Digit7')).toBeNull()
  expect(press('/', { ctrl: true, shift: true })).toEqual({ do: 'help' })
})

test('typing is never a command', () => {
  for (const key of ['a', '/', 'Enter', 'Escape', 'ArrowUp', 'ArrowDown', 'PageUp']) expect(press(key)).toBeNull()
})

const rooms = [
  { id: 'a', unread: false },
  { id: 'b', unread: true },
  { id: 'c', unread: false },
]

test('from room to room, round the end', () => {
  expect(neighbour(rooms, 'a', 1, false)).toBe('b')
  expect(neighbour(rooms, 'c', 1, false)).toBe('a')
  expect(neighbour(rooms, 'a', -1, false)).toBe('c')
})

test('from nowhere to the first, or the last', () => {
  expect(neighbour(rooms, undefined, 1, false)).toBe('a')
  expect(neighbour(rooms, undefined, -1, false)).toBe('c')
})

test('only unread ones, and none if there is none', () => {
  expect(neighbour(rooms, 'c', 1, true)).toBe('b')
  expect(neighbour(rooms, 'b', 1, true)).toBeNull()
  expect(neighbour([], undefined, 1, false)).toBeNull()
})
