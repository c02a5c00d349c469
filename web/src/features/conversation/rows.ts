import type { Entry } from '@/shared/outbox/machine'
import type { Item } from '@/shared/socket/protocol'
import { dayKey } from '@/shared/text/time'

/** What a row of the list shows, whether it is in the log or still on its way. */
export interface Row {
  key: string
  kind: 'message' | 'system'
  sender: string
  at: number
  state: 'pending' | 'accepted' | 'stored' | 'failed'
  item: Item | null
  entry: Entry | null
}

export function bodyOf({ item, entry }: Pick<Row, 'item' | 'entry'>): string {
  return entry?.body ?? (typeof item?.body === 'string' ? item.body : '')
}

const GROUP_MS = 5 * 60_000

export function countRows(items: readonly Item[], entries: readonly Entry[]): number {
  return items.length + entries.length
}

/**
 * Stable while a message turns from optimistic to real, so that nothing is drawn twice or remounted. Only my own rows
 * can be optimistic; another person's `cid` is theirs to choose and must not collide with mine.
 */
export function rowKey(items: readonly Item[], entries: readonly Entry[], me: string, index: number): string {
  const item = items[index]
  if (!item) return (entries[index - items.length] as Entry).cid
  return item.sender === me && item.cid ? item.cid : item.id
}

export function rowAt(
  items: readonly Item[],
  entries: readonly Entry[],
  me: string,
  index: number,
  stored = 0,
): Row | null {
  const key = rowKey.bind(null, items, entries, me)
  const item = items[index]
  if (item) {
    return {
      key: key(index),
      kind: item.kind === 'message' ? 'message' : 'system',
      sender: item.sender ?? '',
      at: Date.parse(item.sent_at),
      state: isStored(item) || item.position < stored ? 'stored' : 'accepted',
      item,
      entry: null,
    }
  }
  const entry = entries[index - items.length]
  if (!entry) return null
  const state = entry.state === 'sending' ? 'pending' : entry.state
  return { key: key(index), kind: 'message', sender: me, at: entry.created_at, state, item: null, entry }
}

/** Only stored messages have a number, and only stored events a revision; until then a row is known to be in the log. */
function isStored(item: Item): boolean {
  return item.kind === 'message' ? item.seq != null : item.rev != null
}

/**
 * Whether a row carries the name again: another author, a new day, something in between, or five minutes since the
 * `head` of the group before it: its time is the only one in sight, so it must not grow stale however long one talks.
 */
export function startsGroup(head: Row | null, row: Row, afterLine = false): boolean {
  if (afterLine || head?.kind !== 'message' || row.kind !== 'message') return true
  return head.sender !== row.sender || row.at - head.at > GROUP_MS || startsDay(head, row)
}

export function startsDay(before: Row | null, row: Row): boolean {
  return !before || dayKey(before.at) !== dayKey(row.at)
}

/** Entries that the room's rows do not show yet: between a frame and the outbox there must never be two. */
export function unseen(entries: readonly Entry[], room: string, items: readonly Item[], me: string): readonly Entry[] {
  const mine = entries.filter((entry) => entry.room === room && !entry.vote)
  if (mine.length === 0) return mine
  const recent = new Set<string | null | undefined>()
  for (let i = items.length - 1; i >= 0 && i >= items.length - 500; i--) {
    const item = items[i] as Item
    if (item.sender === me) recent.add(item.cid)
  }
  return mine.filter((entry) => !recent.has(entry.cid))
}
