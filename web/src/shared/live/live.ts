import { createStore } from 'zustand/vanilla'
import { apiBase } from '../api/http'
import { refreshSession } from '../api/refresh'
import type { User } from '../api/types'
import { openOutbox } from '../outbox/db'
import type { VoteValue } from '../outbox/machine'
import { Outbox } from '../outbox/outbox'
import { claimTab, isAbandoned } from '../outbox/owner'
import { type ConnectionState, idle, SocketClient, type WireSocket } from '../socket/client'
import { type FrameOf, type Item, type ServerFrame, SUBPROTOCOL } from '../socket/protocol'
import { numberIn } from '../timeline/numbers'
import {
  advanced,
  lowerBound,
  raised,
  replaced,
  replayed,
  storedBelow,
  type Timeline,
  voided,
  withTallies,
} from '../timeline/timeline'
import { createActivity } from './activity'
import { newCid } from './cid'
import { createHistory } from './history'
import { createLink } from './link'
import { createPeople } from './people'
import { createPresence } from './presence'
import { createReads, type ListedRoom } from './reads'
import { createScreen } from './screen'
import { createSubscriptions } from './subscriptions'
import { createTimelines } from './timelines'

export interface LiveEvents {
  /** Something about my rooms changed that only the server can list. */
  onRoomsChanged(room: string | null): void
  onActivity(room: string): void
}

const networkEvents = ['online', 'offline'] as const

/** Everything that moves without being asked for, for one signed-in person. React only watches its stores. */
export async function createLive(me: User, events: LiveEvents) {
  const connection = createStore<ConnectionState>(() => idle)
  const link = createLink(() => client)
  const people = createPeople()
  const screen = createScreen()
  const timelines = createTimelines(screen)
  const presence = createPresence()
  const activity = createActivity(screen)
  const reads = createReads({
    screen,
    send: (room, seq, back) => client.tell({ type: 'read', room, seq, ...(back && { back }) }),
    isVisible: () => document.visibilityState === 'visible',
    now: Date.now,
  })
  const owner = newCid()
  const releaseTab = claimTab(owner)

  const client: SocketClient = new SocketClient({
    open: openSocket,
    refresh: refreshSession,
    random: Math.random,
    resume: () => subscriptions.resume(),
    onWelcome: (frame) => {
      link.welcomed(frame)
      people.learn([frame.user])
      for (const room of outbox.rooms()) {
        subscriptions.pin(room)
        if (!subscriptions.isWanted(room)) subscriptions.want(room)
      }
      subscriptions.onWelcome(frame)
      reads.sayAgain()
      // A list that was asked for before lacks what was told since.
      events.onRoomsChanged(null)
    },
    onFrame,
    onState: (state) => {
      if (connection.getState().phase === 'open' && state.phase !== 'open') {
        timelines.suspend()
        presence.forget()
        outbox.onDisconnect()
      }
      connection.setState(state, true)
    },
    onAnswer: link.answered,
  })
  const subscriptions = createSubscriptions(() => client, timelines)
  const history = createHistory(() => client, timelines, apply)
  const outbox = new Outbox({
    db: await openOutbox(me.id),
    me: me.id,
    owner,
    newCid,
    request: (frame, deadlineMs) => client.request(frame, deadlineMs),
    isLive: (room) => timelines.get(room)?.live === true,
  })
  people.learn([me])

  function apply(room: string, next: Timeline | null, items: readonly Item[]): void {
    if (!next) {
      // A hole: nothing after it may be shown. The resume brings it all, in order.
      client.reconnect()
      return
    }
    timelines.set(room, next)
    people.need(items.map((item) => item.sender))
    outbox.onTimeline(room, items, next.cursor)
    reads.moved(room, next.lastSeq)
  }

  function follow(frame: FrameOf<'replay'> | FrameOf<'frames'>): void {
    const held = timelines.get(frame.room)
    if (!held) return
    const fresh = frame.items.filter((item) => item.position >= held.cursor)
    const next = frame.type === 'replay' ? replayed(held, frame) : advanced(held, frame)
    if (next) wrote(frame.room, next, fresh)
    apply(frame.room, next, frame.items)
    if (fresh.some((item) => item.kind === 'message')) activity.moved(frame.room)
    if (fresh.some((item) => item.kind === 'system' || item.kind === 'removed')) events.onRoomsChanged(frame.room)
  }

  /** Before the room is said to have moved: what is one's own begins no line and is unread for no moment. */
  function wrote(room: string, next: Timeline, fresh: readonly Item[]): void {
    for (const { kind, sender, position } of fresh) {
      const number = kind === 'message' && sender === me.id ? numberOf(next, position) : null
      if (number !== null) reads.wrote(room, number)
    }
  }

  function change(room: string, next: (held: Timeline) => Timeline): void {
    const held = timelines.get(room)
    if (held) timelines.set(room, next(held))
  }

  function counted(room: string): void {
    const counts = timelines.get(room)?.tallies
    if (counts) outbox.onTallies((message) => counts[message]?.as_of)
  }

  function raise(frame: FrameOf<'cursors'>): void {
    for (const { room, cursor } of frame.items) {
      const held = timelines.get(room)
      if (held?.live) apply(room, raised(held, cursor), [])
    }
    subscriptions.onCursors(frame)
  }

  /** Without a `ref` nobody asked for it: the right to this room ended, or it could not be resumed just now. */
  function forget(frame: FrameOf<'unsubscribed'>): void {
    if (frame.ref !== undefined && frame.ref !== null) return
    if (frame.code && frame.code !== 'not_found' && frame.code !== 'forbidden') {
      subscriptions.again(frame.room)
      return
    }
    subscriptions.forget(frame.room)
    timelines.setGone(frame.room, true)
    events.onRoomsChanged(null)
  }

  function onFrame(frame: ServerFrame): void {
    if (frame.type !== 'presence' && 'users' in frame) people.learn(frame.users)
    switch (frame.type) {
      case 'subscribed':
      case 'resync':
        if (frame.type === 'resync') link.resynced()
        timelines.setGone(frame.room, false)
        apply(frame.room, replaced(frame, reads.get(frame.room)?.last, timelines.get(frame.room)?.tallies), frame.items)
        counted(frame.room)
        void history.number(frame.room)
        break
      case 'replay':
      case 'frames':
        follow(frame)
        break
      case 'cursors':
        raise(frame)
        break
      case 'stored':
        change(frame.room, (held) => storedBelow(held, frame.cursor))
        outbox.onStored(frame.room, frame.cursor)
        break
      case 'tallies':
        change(frame.room, (held) => withTallies(held, frame))
        counted(frame.room)
        break
      case 'voided':
        change(frame.room, (held) => voided(held, frame.positions))
        break
      case 'presence':
        presence.told(frame)
        break
      case 'room_activity':
        activity.moved(frame.room)
        reads.moved(frame.room, frame.seq ?? 0)
        events.onActivity(frame.room)
        break
      case 'read':
        reads.told(frame.room, frame.seq)
        break
      case 'unsubscribed':
        forget(frame)
    }
  }

  const onNetwork = () => client.nudge()
  const onVisible = () => {
    reads.looked()
    if (document.visibilityState === 'visible') client.nudge()
  }
  for (const event of networkEvents) window.addEventListener(event, onNetwork)
  document.addEventListener('visibilitychange', onVisible)

  await outbox.adopt(isAbandoned).catch(() => {})
  client.start()

  return {
    me,
    connection,
    link: link.store,
    /** Keeps the round trip fresh for as long as somebody reads it. */
    measure: link.measure,
    people: people.store,
    needPeople: people.need,
    learnPeople: people.learn,
    activity: activity.store,
    presence: presence.store,
    timelines: timelines.store,
    screen,
    outbox: outbox.store,
    reads: reads.store,
    /** What a list of rooms says of them. Whoever has a mark in a room is in it, perhaps again: another window joined. */
    listed(rooms: readonly ListedRoom[]) {
      for (const { id, read_seq } of rooms) if (read_seq != null) timelines.setGone(id, false)
      reads.listed(rooms)
    },
    /** What was told when one left this room counts no more. */
    joined(room: ListedRoom) {
      timelines.setGone(room.id, false)
      reads.joined(room)
    },
    /** Starts receiving this room; it stays warm after another one was opened. */
    open: (room: string) => subscriptions.want(room),
    /** The room that is on the screen, if any. */
    look: reads.view,
    saw: reads.saw,
    markRead: reads.markRead,
    /** From this message on the room is unread. */
    markUnread(room: string, position: number) {
      const held = timelines.get(room)
      const number = held ? numberOf(held, position) : null
      if (number !== null) reads.markUnread(room, number)
    },
    leave(room: string) {
      subscriptions.leave(room)
      reads.forget(room)
    },
    loadOlder: history.older,
    /** Who answers has read. */
    send(room: string, body: string) {
      reads.markRead(room)
      return outbox.send(room, body, timelines.get(room)?.cursor ?? 0)
    },
    vote: (room: string, message: string, value: VoteValue) =>
      outbox.vote(room, message, value, timelines.get(room)?.cursor ?? 0),
    retry: (room: string, cid: string) => outbox.retry(cid, timelines.get(room)?.cursor ?? 0),
    discard: (cid: string) => outbox.discard(cid),
    clearOutbox: () => outbox.clear(),
    tryNow: () => client.tryNow(),
    stop() {
      for (const event of networkEvents) window.removeEventListener(event, onNetwork)
      document.removeEventListener('visibilitychange', onVisible)
      subscriptions.stop()
      outbox.stop()
      reads.stop()
      people.stop()
      client.stop()
      releaseTab()
    },
  }
}
export type Live = Awaited<ReturnType<typeof createLive>>

const numberOf = (held: Timeline, position: number) => numberIn(held, lowerBound(held.items, position))

function openSocket(): WireSocket {
  const url = new URL(`${apiBase}/socket`, window.location.href)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  return new WebSocket(url, SUBPROTOCOL)
}
