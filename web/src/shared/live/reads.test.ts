import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReads, unreadOf } from './reads'
import { createScreen } from './screen'

const sent: [string, number, boolean][] = []
const page = { visible: true }
let reads: ReturnType<typeof createReads>

beforeEach(() => {
  vi.useFakeTimers()
  sent.length = 0
  page.visible = true
  reads = createReads({
    screen: createScreen(() => {}),
    send: (room, seq, back) => sent.push([room, seq, back]),
    isVisible: () => page.visible,
    now: Date.now,
  })
  reads.listed([
    { id: 'a', last_seq: 10, read_seq: 4 },
    { id: 'b', last_seq: 3, read_seq: 3 },
  ])
})
afterEach(() => vi.useRealTimers())

const unread = (room: string) => unreadOf(reads.get(room))
const line = (room: string) => reads.get(room)?.line

test('opening a room reads nothing, and the line stays where it was when it is read', () => {
  reads.view('a')
  expect([unread('a'), line('a'), sent]).toEqual([6, 4, []])
  reads.saw('a', 3, 10)
  expect([unread('a'), line('a'), sent]).toEqual([0, 4, [['a', 10, false]]])
  reads.view('b')
  expect(line('a')).toBeNull()
})

test('what was passed over is not read', () => {
  reads.view('a')
  reads.saw('a', 8, 10)
  expect(unread('a')).toBe(6)
  reads.saw('a', 5, 7)
  expect(unread('a')).toBe(3)
})

test('nothing is read in a window that nobody sees, and a line is drawn for what came meanwhile', () => {
  reads.view('b')
  page.visible = false
  reads.looked()
  reads.moved('b', 5)
  reads.saw('b', 1, 5)
  expect([unread('b'), line('b')]).toEqual([2, 3])
})

test('what comes under the eyes draws no line and does not flicker as unread', () => {
  reads.view('b')
  reads.moved('b', 4)
  expect(unread('b')).toBe(0)
  reads.saw('b', 1, 4)
  vi.advanceTimersByTime(1_000)
  expect([unread('b'), line('b')]).toEqual([0, null])
})

test('what one wrote is read where all before it was, also if another room is on the screen by then', () => {
  reads.view('a')
  reads.wrote('b', 4)
  reads.moved('b', 4)
  expect([unread('b'), line('b'), sent]).toEqual([0, null, [['b', 4, false]]])
  reads.wrote('b', 6)
  reads.moved('b', 6)
  expect(unread('b')).toBe(2)
  reads.wrote('a', 11)
  expect(reads.get('a')?.read).toBe(4)
})

test('what one wrote at another device while nobody looked begins no line', () => {
  reads.view('b')
  page.visible = false
  reads.looked()
  reads.wrote('b', 4)
  reads.moved('b', 4)
  expect([unread('b'), line('b')]).toEqual([0, null])
})

test('what comes below the fold of the room that is open counts as unread', () => {
  reads.view('b')
  reads.moved('b', 4)
  vi.advanceTimersByTime(1_000)
  expect(unread('b')).toBe(1)
})

test('marked unread by hand, it stays unread under the eyes until it is opened anew', () => {
  reads.view('b')
  reads.markUnread('b', 2)
  expect([unread('b'), line('b'), sent]).toEqual([2, 1, [['b', 1, true]]])
  reads.saw('b', 1, 3)
  expect(unread('b')).toBe(2)
  reads.view(null)
  reads.view('b')
  reads.saw('b', 1, 3)
  expect(unread('b')).toBe(0)
})

test('a mark a second is said, the last of them', () => {
  reads.view('a')
  for (let seq = 5; seq <= 9; seq++) reads.saw('a', 5, seq)
  expect(sent).toEqual([['a', 5, false]])
  vi.advanceTimersByTime(1_000)
  expect(sent.slice(1)).toEqual([['a', 9, false]])
})

test('another device reads on, and marks unread', () => {
  reads.told('a', 9)
  expect(unread('a')).toBe(1)
  reads.told('a', 2)
  expect(unread('a')).toBe(8)
})

test('the server can not have heard yet what was just said, and is heard again when it has', () => {
  reads.view('a')
  reads.saw('a', 5, 10)
  reads.told('a', 6)
  expect(unread('a')).toBe(0)
  reads.told('a', 10)
  reads.told('a', 6)
  expect(unread('a')).toBe(4)
})

test('who joins again has nothing unread, whatever a list says that comes before the mark', () => {
  reads.forget('b')
  reads.joined({ id: 'b', last_seq: 9, read_seq: 9 })
  reads.listed([{ id: 'b', last_seq: 9, read_seq: 3 }])
  expect(unread('b')).toBe(0)
  vi.advanceTimersByTime(6_000)
  reads.listed([{ id: 'b', last_seq: 9, read_seq: 3 }])
  expect(unread('b')).toBe(6)
})

test('what may have been lost with the connection is said again', () => {
  reads.view('a')
  reads.saw('a', 5, 10)
  reads.sayAgain()
  expect(sent).toEqual([
    ['a', 10, false],
    ['a', 10, false],
  ])
  reads.told('a', 10)
  reads.sayAgain()
  expect(sent).toHaveLength(2)
})

test('Esc reads everything and takes the line away', () => {
  reads.view('a')
  reads.markRead('a')
  expect([unread('a'), line('a'), sent]).toEqual([0, null, [['a', 10, false]]])
})

test('what is marked by hand is said at once, however little time there was since the last mark', () => {
  reads.view('a')
  reads.saw('a', 5, 7)
  reads.saw('a', 7, 8)
  reads.markRead('a')
  expect(sent).toEqual([
    ['a', 7, false],
    ['a', 10, false],
  ])
})
