import type { Tallies, Tally } from '../socket/protocol'

/** The votes on one message, as they were below `as_of`. */
export type Counted = Tally & { as_of: number }
export type Counts = Readonly<Record<string, Counted>>

export const noCounts: Counts = {}

/**
 * Takes absolute values in: of two for the same message the one with the larger `as_of` is right, whichever came last.
 * One from `start` on is kept even while its message is not held yet: the message may be on its way.
 */
export function tallied(held: Counts, { items, as_of }: Tallies, start: number): Counts {
  const news = items.flatMap((tally) => {
    const before = held[tally.target]
    const after = tally.position >= start ? newer(before, { ...tally, as_of }) : before
    return after && after !== before ? [[tally.target, after] as const] : []
  })
  return news.length === 0 ? held : { ...held, ...Object.fromEntries(news) }
}

/** What goes to a whole room does not say how I voted; what is known of that stays, and what was not known is taken from either. */
function newer(held: Counted | undefined, tally: Counted): Counted {
  if (!held) return tally
  if (tally.as_of > held.as_of) return { ...tally, mine: tally.mine ?? held.mine }
  return held.mine == null && tally.mine != null ? { ...held, mine: tally.mine } : held
}

export const newest = (one: Counted | undefined, other: Counted | undefined): Counted | undefined =>
  other ? newer(one, other) : one

export interface Votes {
  up: number
  down: number
  mine: -1 | 0 | 1
}

/** What is shown: the tally, and on top of it my vote that it does not contain yet. */
export function votesOf(
  tally: Pick<Tally, 'up' | 'down' | 'mine'> | undefined,
  underWay: -1 | 0 | 1 | undefined,
): Votes {
  const counted = tally?.mine ?? 0
  const mine = underWay ?? counted
  const moved = (value: -1 | 1) => Number(mine === value) - Number(counted === value)
  return {
    up: Math.max(0, (tally?.up ?? 0) + moved(1)),
    down: Math.max(0, (tally?.down ?? 0) + moved(-1)),
    mine,
  }
}

/** Pressing what is pressed already takes it back; pressing the other switches. */
export const pressed = (mine: -1 | 0 | 1, value: -1 | 1): -1 | 0 | 1 => (mine === value ? 0 : value)
