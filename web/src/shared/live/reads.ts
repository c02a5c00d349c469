import type { Screen } from './screen'

/** How far a room was read, by message number, and how far it goes. */
export interface RoomReads {
  read: number
  last: number
  /** The number after which “New” stands while the room is open: frozen, so that nothing moves under the eyes. */
  line: number | null
  /** Marked unread by hand: looking at it does not count as reading until it is opened anew. */
  held: boolean
}

export interface ListedRoom {
  id: string
  last_seq: number
  read_seq?: number | null
}

interface Said {
  seq: number
  back: boolean
  at: number
}

/** The server keeps one mark a second and room. */
const PACE_MS = 1_000
/** What the server says that contradicts what was said this recently was on its way already. */
const RECENT_MS = 5_000
const ARRIVAL_MS = 200

interface Deps {
  screen: Screen
  /** Rejected or lost, it is said again when the connection is back. */
  send(room: string, seq: number, back: boolean): void
  isVisible(): boolean
  now(): number
}

/** What is unread, shared between all windows of a person: each says what it shows, and hears what the others said. */
export function createReads({ screen, send, isVisible, now }: Deps) {
  const shown = screen.show({ rooms: {} as Readonly<Record<string, RoomReads>> })
  const said = new Map<string, Said>()
  const sentAt = new Map<string, number>()
  const timers = new Map<string, ReturnType<typeof setTimeout>>()
  const arriving = new Map<string, number>()
  let arrival: ReturnType<typeof setTimeout> | undefined
  let viewed: string | null = null

  const get = (room: string) => shown.get().rooms[room]

  function set(room: string, patch: Partial<RoomReads>): void {
    const held = get(room) ?? { read: 0, last: 0, line: null, held: false }
    const next = { ...held, ...patch }
    const same = (Object.keys(next) as (keyof RoomReads)[]).every((key) => next[key] === held[key])
    if (!same || !get(room)) shown.set({ rooms: { ...shown.get().rooms, [room]: next } })
  }

  /** What came while nobody looked begins below a line; what came under the eyes does not. */
  function drawLine(room: string): void {
    const held = get(room)
    if (room !== viewed || !held || held.line !== null || held.last <= held.read) return
    if (!isVisible() || !opened.has(room)) set(room, { line: held.read })
  }
  /** The room on the screen, once it is known how far it was read when it was opened. */
  const opened = new Set<string>()

  function view(room: string | null): void {
    if (viewed && viewed !== room) {
      opened.delete(viewed)
      if (get(viewed)) set(viewed, { line: null, held: false })
    }
    viewed = room
    if (room && get(room)) settle(room)
  }

  function settle(room: string): void {
    if (room !== viewed) return
    drawLine(room)
    opened.add(room)
  }

  function listed(rooms: readonly ListedRoom[]): void {
    for (const { id, last_seq, read_seq } of rooms) {
      if (read_seq == null) continue
      const held = get(id)
      set(id, { last: Math.max(held?.last ?? 0, last_seq), read: agreed(id, read_seq, held?.read) })
      settle(id)
    }
  }

  /** The server's word, unless it can't have heard yet what was said here. */
  function agreed(room: string, server: number, held: number | undefined): number {
    const mine = said.get(room)
    if (!mine || held === undefined) return server
    const heard = mine.back ? server <= mine.seq : server >= mine.seq
    if (heard || now() - mine.at > RECENT_MS) {
      said.delete(room)
      return server
    }
    return held
  }

  function told(room: string, seq: number): void {
    const held = get(room)
    if (held) set(room, { read: agreed(room, seq, held.read) })
  }

  /** What comes under the eyes is seen with the next frame: counted at once, it would flicker as unread. */
  function moved(room: string, last: number): void {
    if (room !== viewed || !isVisible()) {
      raise(room, last)
      return
    }
    arriving.set(room, Math.max(last, arriving.get(room) ?? 0))
    arrival ??= setTimeout(arrived, ARRIVAL_MS)
  }

  function arrived(): void {
    arrival = undefined
    for (const [room, last] of arriving) raise(room, last)
    arriving.clear()
  }

  function raise(room: string, last: number): void {
    const held = get(room)
    if (!held || last <= held.last) return
    set(room, { last })
    drawLine(room)
  }

  function mark(room: string, seq: number, back: boolean): void {
    said.set(room, { seq, back, at: now() })
    set(room, { read: seq, last: Math.max(seq, get(room)?.last ?? 0) })
    if (timers.has(room)) return
    const wait = Math.max(0, (sentAt.get(room) ?? Number.NEGATIVE_INFINITY) + PACE_MS - now())
    if (wait === 0) say(room)
    else timers.set(room, setTimeout(say, wait, room))
  }

  /** What was asked for by hand outlives a window that is closed the moment after. */
  function sayNow(room: string): void {
    if (timers.has(room)) say(room)
  }

  function say(room: string): void {
    clearTimeout(timers.get(room))
    timers.delete(room)
    const mine = said.get(room)
    if (!mine) return
    sentAt.set(room, now())
    send(room, mine.seq, mine.back)
  }

  return {
    store: shown.store,
    listed,
    told,
    moved,
    view,
    get,
    /** The window was hidden or is looked at again: what was read to its end gets a new line for what comes meanwhile. */
    looked(): void {
      const held = viewed ? get(viewed) : undefined
      if (!viewed || !held) return
      if (!isVisible() && held.last <= held.read) set(viewed, { line: null })
      // A window that is left may not come back.
      if (!isVisible()) [...timers.keys()].forEach(sayNow)
    },
    /** Who joins has nothing unread. A list may come before the mark that says so. */
    joined({ id, last_seq, read_seq }: ListedRoom): void {
      const seq = read_seq ?? last_seq
      said.set(id, { seq, back: false, at: now() })
      set(id, { read: seq, last: Math.max(last_seq, get(id)?.last ?? 0) })
    },
    /** Messages `from` to `to` are on the screen. Read is what was seen without leaving anything out. */
    saw(room: string, from: number, to: number): void {
      const held = get(room)
      if (room !== viewed || !held || held.held || !isVisible()) return
      if (from <= held.read + 1 && to > held.read) mark(room, to, false)
    },
    /** A message of one's own, here or at another device: where all before it was read, it is read too, whatever is on the screen. */
    wrote(room: string, number: number): void {
      if (get(room)?.read === number - 1) mark(room, number, false)
    },
    /** Everything there is was read; the line goes too. */
    markRead(room: string): void {
      raise(room, arriving.get(room) ?? 0)
      const held = get(room)
      if (!held) return
      set(room, { line: null, held: false })
      if (held.last <= held.read) return
      mark(room, held.last, false)
      sayNow(room)
    },
    markUnread(room: string, from: number): void {
      const held = get(room)
      if (!held || from < 1) return
      set(room, { line: from - 1, held: true })
      if (from - 1 >= held.read) return
      mark(room, from - 1, true)
      sayNow(room)
    },
    /** After a cut: what may not have arrived. */
    sayAgain(): void {
      for (const room of said.keys()) say(room)
    },
    forget(room: string): void {
      said.delete(room)
      const { [room]: _, ...others } = shown.get().rooms
      shown.set({ rooms: others })
    },
    stop(): void {
      clearTimeout(arrival)
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}
export type Reads = ReturnType<typeof createReads>

export const unreadOf = (reads: RoomReads | undefined) => (reads ? Math.max(0, reads.last - reads.read) : 0)
