import type { Entry } from '@/shared/outbox/machine'
import type { Item } from '@/shared/socket/protocol'
import { type Row, rowAt, startsGroup } from './rows'

/**
 * For each row the index of the head of its group. Worked out once for a row that comes to the end, and anew where what
 * is held has changed in another way: a long list is not gone through for every frame.
 */
export function createGroups() {
  let known: readonly Item[] = []
  let knownLine: number | null = null
  const heads: number[] = []

  return function headsOf(
    items: readonly Item[],
    entries: readonly Entry[],
    me: string,
    line: number | null,
  ): readonly number[] {
    const grown = line === knownLine && items[0] === known[0] && items[known.length - 1] === known.at(-1)
    // What is on its way may have gone, or come among the others.
    heads.length = grown ? known.length : 0
    known = items
    knownLine = line
    const at = (index: number | undefined) => (index === undefined ? null : rowAt(items, entries, me, index))
    let head = at(heads.at(-1))
    for (let index = heads.length; index < items.length + entries.length; index++) {
      const row = at(index) as Row
      if (startsGroup(head, row, index === line)) head = row
      heads.push(head === row ? index : (heads.at(-1) as number))
    }
    return heads
  }
}
