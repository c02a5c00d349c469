import type { FrameOf, Item, Tallies } from '../socket/protocol'
import { type Counts, noCounts, tallied } from '../votes/tallies'
import { lastNumber } from './numbers'

/** What is held of one room. Items are rows only (edits and deletions are folded in), ascending by position. */
export interface Timeline {
  items: readonly Item[]
  /** Everything from here up to `cursor` is held. */
  start: number
  cursor: number
  /** What I sent below this is in the store, as the server told. */
  stored: number
  hasOlder: boolean
  lastSeq: number
  /** Votes by message id, also of messages that are not held yet. */
  tallies: Counts
  /** Whether live frames follow; false between a lost connection and the end of the replay. */
  live: boolean
  catchingUp: boolean
}

type Newest = Pick<FrameOf<'resync'>, 'items' | 'start' | 'cursor' | 'has_older' | 'last_seq' | 'tallies'> & {
  catching_up?: boolean
}

/**
 * `subscribed` and `resync`: the newest page replaces whatever was held. `knownSeq` is what else is known of the room's
 * number of messages: the server leaves it out where it did not ask the store. `counts` are the votes that were held.
 */
export function replaced(frame: Newest, knownSeq = 0, counts = noCounts): Timeline {
  const items = fold([], frame.items)
  return {
    items,
    start: frame.start,
    cursor: frame.cursor,
    stored: 0,
    hasOlder: frame.has_older,
    lastSeq: lastNumber(items, Math.max(knownSeq, frame.last_seq ?? 0)),
    tallies: frame.tallies ? tallied(counts, frame.tallies, frame.start) : counts,
    live: true,
    catchingUp: frame.catching_up ?? false,
  }
}

/** A piece of what was missed. Null where it does not join what is held. */
export function replayed(timeline: Timeline, frame: FrameOf<'replay'>): Timeline | null {
  if (frame.prev > timeline.cursor) return null
  const items = fold(timeline.items, within(timeline, frame.items))
  return {
    ...timeline,
    items,
    cursor: Math.max(timeline.cursor, frame.cursor),
    lastSeq: lastNumber(items, Math.max(timeline.lastSeq, frame.last_seq ?? 0)),
    live: !frame.more,
    catchingUp: frame.catching_up,
  }
}

/** Live frames. Null for a gap: the caller reconnects, and the resume fills it. */
export function advanced(timeline: Timeline, frame: FrameOf<'frames'>): Timeline | null {
  if (frame.prev > timeline.cursor) return null
  // Below the cursor only a newer revision of something held can say anything new.
  const fresh = frame.items.filter((item) => item.position >= timeline.cursor)
  const last = fresh.at(-1)
  return {
    ...timeline,
    catchingUp: false,
    items: fold(timeline.items, within(timeline, frame.items)),
    cursor: last ? Math.max(timeline.cursor, last.position + 1) : timeline.cursor,
    lastSeq: timeline.lastSeq + fresh.filter((item) => item.kind === 'message').length,
  }
}

/**
 * The page that was asked for with `before` joins what began there. Its own `end` says nothing about that: positions
 * count all rooms of a partition, so it may lie below `before` with nothing of this room in between.
 */
export function older(timeline: Timeline, frame: FrameOf<'page'>, before: number): Timeline {
  // Replaced meanwhile: the page belongs to what is no longer held.
  if (timeline.start !== before) return timeline
  const start = Math.min(before, frame.start)
  const items = fold(timeline.items, frame.items)
  return {
    ...timeline,
    items,
    lastSeq: lastNumber(items, timeline.lastSeq),
    start,
    hasOlder: frame.has_older,
    tallies: frame.tallies ? tallied(timeline.tallies, frame.tallies, start) : timeline.tallies,
  }
}

/** Stored copies of rows that are held: they know their numbers. */
export function numbered(timeline: Timeline, rows: readonly Item[]): Timeline {
  const held = new Set(timeline.items.map((item) => item.position))
  const items = fold(
    timeline.items,
    rows.filter((row) => held.has(row.position)),
  )
  return { ...timeline, items, lastSeq: lastNumber(items, timeline.lastSeq) }
}

/**
 * A replay also brings old rows that were edited meanwhile. One from below what is held has to wait for its page: taken
 * now, it would stand beside rows that are not its neighbours.
 */
function within(timeline: Timeline, items: readonly Item[]): readonly Item[] {
  return items.filter((item) => item.position >= timeline.start)
}

export function raised(timeline: Timeline, cursor: number): Timeline {
  return cursor > timeline.cursor ? { ...timeline, cursor } : timeline
}

export function storedBelow(timeline: Timeline, cursor: number): Timeline {
  return cursor > timeline.stored ? { ...timeline, stored: cursor } : timeline
}

/** What was shown live could not be stored: nobody who comes later will see it. */
export function voided(timeline: Timeline, positions: readonly number[]): Timeline {
  const gone = new Set(positions)
  const items = timeline.items.filter((item) => !gone.has(item.position))
  return items.length === timeline.items.length ? timeline : { ...timeline, items }
}

export function withTallies(timeline: Timeline, frame: Tallies): Timeline {
  const tallies = tallied(timeline.tallies, frame, timeline.start)
  return tallies === timeline.tallies ? timeline : { ...timeline, tallies }
}

const ROWS = new Set(['message', 'system', 'removed', 'archived'])
const CHANGES = new Set(['edit', 'delete', 'erased'])

/** Adds rows by position, keeps the larger revision of the same one, and applies edits and deletions to their targets. */
export function fold(held: readonly Item[], incoming: readonly Item[]): readonly Item[] {
  if (incoming.length === 0) return held
  const rows = incoming.filter((item) => ROWS.has(item.kind))
  const changes = incoming.filter((item) => CHANGES.has(item.kind))
  const merged = merge(held, rows)
  return changes.length === 0 ? merged : applyChanges(merged, changes)
}

function merge(held: readonly Item[], rows: readonly Item[]): readonly Item[] {
  const first = rows[0]
  if (!first) return held
  const lastHeld = held.at(-1)
  const ordered = rows.every((row, index) => index === 0 || (rows[index - 1] as Item).position < row.position)
  if (ordered && (!lastHeld || first.position > lastHeld.position)) return [...held, ...rows]
  const lastRow = rows.at(-1) as Item
  if (ordered && lastRow.position < (held[0] as Item).position) return [...rows, ...held]
  const items = [...held]
  for (const row of rows) insert(items, row)
  return items
}

function insert(items: Item[], row: Item): void {
  const index = lowerBound(items, row.position)
  const there = items[index]
  if (there?.position !== row.position) items.splice(index, 0, row)
  else if (revision(row) > revision(there)) items[index] = row
  // A stored copy of the same revision knows its number; the live one did not.
  else if (revision(row) === revision(there) && row.seq != null && there.seq == null) items[index] = row
}

function applyChanges(held: readonly Item[], changes: readonly Item[]): readonly Item[] {
  const items = [...held]
  for (const change of changes) {
    const index = items.findLastIndex((item) => item.id === change.target)
    const target = items[index]
    if (!target || change.position <= revision(target)) continue
    items[index] =
      change.kind === 'edit'
        ? { ...target, body: change.body, edited: true, rev: change.position }
        : { ...target, body: null, deleted: true, rev: change.position }
  }
  return items
}

function revision(item: Item): number {
  return item.rev ?? item.position
}

/** The index of the first item at or above this position. */
export function lowerBound(items: readonly Item[], position: number): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((items[middle] as Item).position < position) low = middle + 1
    else high = middle
  }
  return low
}
