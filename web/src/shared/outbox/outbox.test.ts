import 'fake-indexeddb/auto'
import { expect, test, vi } from 'vitest'
import { RequestLost } from '../socket/client'
import type { ClientFrame, Item, ServerFrame } from '../socket/protocol'
import { openOutbox } from './db'
import { Outbox } from './outbox'

let users = 0
const freshUser = () => `u${++users}`

async function made(user: string, request: (frame: ClientFrame) => Promise<ServerFrame>, owner = 'tab') {
  let cids = 0
  const db = await openOutbox(user)
  const state = { live: true }
  const outbox = new Outbox({
    db,
    me: 'me',
    owner,
    newCid: () => `${owner}-${++cids}`,
    request,
    isLive: () => state.live,
  })
  return { outbox, db, state }
}

const ack = (frame: ClientFrame): ServerFrame => ({
  type: 'ack',
  ref: 1,
  cid: 'cid' in frame ? frame.cid : '',
  id: 'i',
  at_most: 10,
})
const recorded =
  (sent: ClientFrame[], answers: ServerFrame[] = []) =>
  async (frame: ClientFrame) => {
    sent.push(frame)
    return answers.shift() ?? ack(frame)
  }
const states = (outbox: Outbox) => outbox.store.getState().entries.map((entry) => entry.state)

test('an entry is written as tried before it is sent', async () => {
  const user = freshUser()
  let seen: unknown
  const { outbox, db } = await made(user, async (frame) => {
    seen = (await db.all())[0]
    return ack(frame)
  })
  outbox.send('r', 'hi', 5)
  expect(states(outbox)).toEqual(['sending'])
  await vi.waitFor(() => expect(states(outbox)).toEqual(['accepted']))
  expect(seen).toMatchObject({ tried: true, base: 5 })
})

test('an accepted message leaves the database, its row waits for the frame', async () => {
  const user = freshUser()
  const { outbox, db } = await made(user, async (frame) => ack(frame))
  outbox.send('r', 'hi', 5)
  await vi.waitFor(() => expect(states(outbox)).toEqual(['accepted']))
  await vi.waitFor(async () => expect(await db.all()).toEqual([]))
  outbox.onTimeline('r', [{ sender: 'me', cid: 'tab-1', position: 9 } as Item], 10)
  expect(states(outbox)).toEqual([])
})

test('what a reload interrupted is retried with the same identity', async () => {
  const user = freshUser()
  const before = await made(user, () => new Promise(() => {}))
  before.outbox.send('r', 'hi', 5)
  await vi.waitFor(async () => expect((await before.db.all())[0]?.tried).toBe(true))

  const sent: ClientFrame[] = []
  const after = await made(user, recorded(sent), 'tab2')
  after.state.live = false
  await after.outbox.adopt(async () => true)
  expect(after.outbox.rooms()).toEqual(['r'])
  expect(sent).toEqual([])
  after.state.live = true
  after.outbox.onTimeline('r', [], 6)
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  expect(sent[0]).toEqual({ type: 'send', room: 'r', cid: 'tab-1', base: 5, body: 'hi', retry: true })
})

test('what the subscription shows is not sent again', async () => {
  const user = freshUser()
  const before = await made(user, () => new Promise(() => {}))
  before.outbox.send('r', 'hi', 5)
  await vi.waitFor(async () => expect(await before.db.all()).toHaveLength(1))
  const sent: ClientFrame[] = []
  const after = await made(user, recorded(sent), 'tab2')
  after.state.live = false
  await after.outbox.adopt(async () => true)
  after.state.live = true
  after.outbox.onTimeline('r', [{ sender: 'me', cid: 'tab-1', position: 5 } as Item], 6)
  expect(states(after.outbox)).toEqual([])
  expect(sent).toEqual([])
})

test('entries of a tab that is still open are left to it', async () => {
  const user = freshUser()
  const open = await made(user, () => new Promise(() => {}))
  open.outbox.send('r', 'hi', 5)
  await vi.waitFor(async () => expect(await open.db.all()).toHaveLength(1))
  const other = await made(user, async (frame) => ack(frame), 'tab2')
  await other.outbox.adopt(async () => false)
  expect(states(other.outbox)).toEqual([])
})

test('a connection lost under a send leaves it pending, and it goes on as a retry', async () => {
  const sent: ClientFrame[] = []
  let lose: (error: Error) => void = () => {}
  const { outbox, state } = await made(freshUser(), (frame) => {
    sent.push(frame)
    return sent.length === 1 ? new Promise((_, reject) => (lose = reject)) : Promise.resolve(ack(frame))
  })
  outbox.send('r', 'hi', 5)
  await vi.waitFor(() => expect(sent).toHaveLength(1))
  state.live = false
  outbox.onDisconnect()
  lose(new RequestLost('closed'))
  expect(states(outbox)).toEqual(['pending'])
  state.live = true
  outbox.onTimeline('r', [], 6)
  await vi.waitFor(() => expect(states(outbox)).toEqual(['accepted']))
  expect(sent[1]).toMatchObject({ cid: 'tab-1', retry: true })
})

test('a refused message is sent again under its own id, or goes when discarded', async () => {
  const answers: ServerFrame[] = []
  const sent: ClientFrame[] = []
  const { outbox, db } = await made(freshUser(), recorded(sent, answers))
  const refusal: ServerFrame = { type: 'rejected', ref: 1, cid: 'tab-1', code: 'queue_full' }
  answers.push(refusal, refusal)
  outbox.send('r', 'hi', 5)
  await vi.waitFor(() => expect(states(outbox)).toEqual(['failed']))
  outbox.retry('tab-1', 9)
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent[1]).toEqual({ type: 'send', room: 'r', cid: 'tab-1', base: 5, body: 'hi' })
  await vi.waitFor(() => expect(states(outbox)).toEqual(['failed']))
  outbox.discard('tab-1')
  expect(states(outbox)).toEqual([])
  await vi.waitFor(async () => expect(await db.all()).toEqual([]))
})

test('of a vote, its switch and its undo while offline only the last is sent, also after a reload', async () => {
  const user = freshUser()
  const before = await made(user, async () => ({ type: 'unknown', ref: 1, cid: '' }), 'old')
  before.state.live = false
  for (const value of [1, -1, 0] as const) before.outbox.vote('r', 'm', value, 5)
  await vi.waitFor(async () => expect(await before.db.all()).toHaveLength(1))

  const sent: ClientFrame[] = []
  const after = await made(user, recorded(sent), 'new')
  await after.outbox.adopt(async () => true)
  after.outbox.onTimeline('r', [], 5)
  await vi.waitFor(() => expect(states(after.outbox)).toEqual(['accepted']))
  expect(sent).toMatchObject([{ type: 'vote', room: 'r', target: 'm', value: 0, base: 5 }])
  after.outbox.onTallies((message) => (message === 'm' ? 11 : undefined))
  expect(states(after.outbox)).toEqual([])
})

test('a refused vote is told but not kept: after a reload nothing reminds of it', async () => {
  const user = freshUser()
  const refusal: ServerFrame = { type: 'rejected', ref: 1, cid: '', code: 'not_found' }
  const { outbox, db } = await made(user, async () => refusal)
  outbox.vote('r', 'm', 1, 5)
  await vi.waitFor(() => expect(states(outbox)).toEqual(['failed']))
  await vi.waitFor(async () => expect(await db.all()).toEqual([]))
})
