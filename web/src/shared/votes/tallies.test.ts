import { expect, test } from 'vitest'
import type { Tallies, Tally } from '../socket/protocol'
import { newest, noCounts, pressed, tallied, votesOf } from './tallies'

const tally = (more: Partial<Tally> = {}): Tally => ({ target: 'm', position: 50, up: 0, down: 0, ...more })
const at = (as_of: number, ...items: Tally[]): Tallies => ({ items, as_of })

test('the larger as_of wins, whichever comes last', () => {
  const held = tallied(noCounts, at(90, tally({ up: 3 })), 0)
  expect(tallied(held, at(80, tally({ up: 2 })), 0)).toBe(held)
  expect(tallied(held, at(91, tally({ up: 1 })), 0).m).toMatchObject({ up: 1, as_of: 91 })
})

test('a tally is kept before its message is, but not one from below what is held', () => {
  const early = tallied(noCounts, at(90, tally({ up: 1, position: 70 }), tally({ target: 'old', position: 49 })), 50)
  expect(Object.keys(early)).toEqual(['m'])
})

test('what goes to the whole room does not forget how I voted', () => {
  const mine = tallied(noCounts, at(90, tally({ up: 1, mine: 1 })), 0)
  expect(tallied(mine, at(95, tally({ up: 4 })), 0).m).toMatchObject({ up: 4, mine: 1 })
  expect(tallied(mine, at(95, tally({ up: 3, mine: 0 })), 0).m).toMatchObject({ up: 3, mine: 0 })
})

test('how I voted is learnt from a page that a newer count has overtaken', () => {
  const live = tallied(noCounts, at(95, tally({ up: 4 })), 0)
  expect(tallied(live, at(90, tally({ up: 1, mine: 1 })), 0).m).toMatchObject({ up: 4, mine: 1, as_of: 95 })
})

test('of the room and the list of top messages the newer count shows', () => {
  const room = { ...tally({ up: 4, mine: 1 }), as_of: 95 }
  const list = { ...tally({ up: 3, mine: 1 }), as_of: 90 }
  expect(newest(room, list)?.up).toBe(4)
  expect(newest(list, room)?.up).toBe(4)
  expect(newest(undefined, list)?.up).toBe(3)
})

test('my vote shows at once and counts once', () => {
  expect(votesOf(undefined, 1)).toEqual({ up: 1, down: 0, mine: 1 })
  expect(votesOf(tally({ up: 4, down: 2, mine: 1 }), undefined)).toEqual({ up: 4, down: 2, mine: 1 })
  expect(votesOf(tally({ up: 4, down: 2, mine: 1 }), 1)).toEqual({ up: 4, down: 2, mine: 1 })
})

test('switching and taking back move it from where it was counted', () => {
  expect(votesOf(tally({ up: 4, down: 2, mine: 1 }), -1)).toEqual({ up: 3, down: 3, mine: -1 })
  expect(votesOf(tally({ up: 4, down: 2, mine: 1 }), 0)).toEqual({ up: 3, down: 2, mine: 0 })
})

test('pressing again takes it back, pressing the other switches', () => {
  expect([pressed(0, 1), pressed(1, 1), pressed(1, -1), pressed(-1, -1)]).toEqual([1, 0, -1, 0])
})
