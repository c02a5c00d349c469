import type { Item } from '../socket/protocol'

/**
 * The number of the message at `index`, or of the nearest one before it. Stored messages carry theirs; live ones are
 * counted from the nearest that does. 0 before the first message; null where no message is numbered yet.
 */
export function numberAt(items: readonly Item[], index: number): number | null {
  let after = 0
  for (let at = Math.min(index, items.length - 1); at >= 0; at--) {
    const item = items[at] as Item
    if (item.kind !== 'message') continue
    if (item.seq != null) return item.seq + after
    after++
  }
  for (let at = index + 1, before = 0; at < items.length; at++) {
    const item = items[at] as Item
    if (item.kind !== 'message') continue
    if (item.seq != null) return item.seq - 1 - before
    before++
  }
  return null
}

/** What is held of a room, as far as numbers are concerned. */
export interface Held {
  readonly items: readonly Item[]
  readonly hasOlder: boolean
}

/** The same in what may be all of a room: from its beginning on, messages can be counted before the store has numbered any. */
export function numberIn({ items, hasOlder }: Held, index: number): number | null {
  const number = numberAt(items, index)
  if (number !== null || hasOlder) return number
  return items.slice(0, index + 1).filter((item) => item.kind === 'message').length
}

/** Where the message with this number is, or the first one after it; `items.length` if there is none; null if nobody knows. */
export function indexOfNumber(held: Held, number: number): number | null {
  const { items } = held
  let current = numberIn(held, items.length - 1)
  if (current === null) return null
  let found = items.length
  for (let at = items.length - 1; at >= 0 && current >= number; at--) {
    if ((items[at] as Item).kind !== 'message') continue
    found = at
    current--
  }
  return found
}

/** The number of the last message: at least what is known from elsewhere. */
export function lastNumber(items: readonly Item[], known: number): number {
  return Math.max(known, numberAt(items, items.length - 1) ?? 0)
}
