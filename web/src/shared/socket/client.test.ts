import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { RefreshOutcome } from '../api/refresh'
import { type ConnectionState, RequestLost, SocketClient, type WireSocket } from './client'
import type { ServerFrame } from './protocol'

class FakeSocket implements WireSocket {
  sent: Record<string, unknown>[] = []
  closed: number | undefined
  onopen: WireSocket['onopen'] = null
  onmessage: WireSocket['onmessage'] = null
  onclose: WireSocket['onclose'] = null
  send = (text: string) => void this.sent.push(JSON.parse(text))
  close = (code?: number) => {
    this.closed = code
  }
  open = () => this.onopen?.(new Event('open'))
  receive = (frame: object) => this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent)
  drop = (code: number) => this.onclose?.({ code } as CloseEvent)
  welcome = () => this.receive({ ...welcome, ref: this.sent.at(-1)?.ref })
}

const user = { id: 'u', user_name: 'ada', display_name: 'Ada', color: '#112233', status_text: '' }
const limits = { body_code_points: 4000, page: 50, page_max: 100, subscriptions: 100 }
const welcome = {
  type: 'welcome',
  version: 1,
  user,
  session_id: 's',
  gateway: 'g',
  server_time: '',
  heartbeat_ms: 25_000,
  limits,
  resume: 'none',
}

function started(refresh: () => Promise<RefreshOutcome> = async () => 'ok') {
  const sockets: FakeSocket[] = []
  const states: ConnectionState[] = []
  const frames: ServerFrame[] = []
  const answers: [string, number][] = []
  const client = new SocketClient({
    open: () => {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    refresh,
    random: () => 0.5,
    resume: () => ({ token: 't', rooms: [] }),
    onWelcome: () => {},
    onFrame: (frame) => frames.push(frame),
    onState: (state) => states.push(state),
    onAnswer: (asked, ms) => answers.push([asked, ms]),
  })
  client.start()
  const last = () => sockets.at(-1) as FakeSocket
  const connected = () => {
    last().open()
    last().welcome()
  }
  return { client, sockets, states, frames, answers, last, connected }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('hello comes first, with the version and the resume token', () => {
  const { client, last } = started()
  last().open()
  expect(last().sent[0]).toMatchObject({ type: 'hello', version: 1, resume: { token: 't' }, ref: 1 })
  expect(client.state.phase).toBe('connecting')
  last().welcome()
  expect(client.state.phase).toBe('open')
})

test('a request gets the answer with its number, and gives up after its deadline', async () => {
  const { client, last, connected } = started()
  connected()
  const answer = client.request({ type: 'unsubscribe', room: 'r' }, 1_000)
  const { ref } = last().sent.at(-1) as { ref: number }
  last().receive({ type: 'unsubscribed', ref, room: 'r' })
  expect(await answer).toMatchObject({ type: 'unsubscribed', room: 'r' })

  const late = expect(client.request({ type: 'unsubscribe', room: 'r' }, 1_000)).rejects.toThrow(RequestLost)
  await vi.advanceTimersByTimeAsync(1_000)
  await late
})

test('how long an answer took is told with what was asked; no answer has no time', async () => {
  const { client, last, connected, answers } = started()
  connected()
  const lost = expect(client.request({ type: 'unsubscribe', room: 'r' }, 100)).rejects.toThrow(RequestLost)
  await vi.advanceTimersByTimeAsync(100)
  await lost
  void client.request({ type: 'unsubscribe', room: 'r' }, 1_000)
  const { ref } = last().sent.at(-1) as { ref: number }
  await vi.advanceTimersByTimeAsync(30)
  last().receive({ type: 'unsubscribed', ref, room: 'r' })
  expect(answers).toEqual([
    ['hello', 0],
    ['unsubscribe', 30],
  ])
})

test('a lost connection rejects what waits, and comes back after its delay', async () => {
  const { client, sockets, last, connected } = started()
  connected()
  const waiting = expect(client.request({ type: 'unsubscribe', room: 'r' }, 5_000)).rejects.toThrow(RequestLost)
  last().drop(1006)
  await waiting
  expect(client.state).toMatchObject({ phase: 'waiting', nextTryAt: Date.now() + 250 })
  await vi.advanceTimersByTimeAsync(250)
  expect(sockets).toHaveLength(2)
})

test('forty seconds of silence are a lost connection', async () => {
  const { client, last, connected } = started()
  connected()
  await vi.advanceTimersByTimeAsync(39_000)
  last().receive({ type: 'cursors', items: [], token: 't' })
  await vi.advanceTimersByTimeAsync(39_999)
  expect(client.state.phase).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(client.state.phase).toBe('waiting')
})

test('a drain is obeyed to its slot, whatever the browser notices meanwhile', async () => {
  const { client, sockets, last, connected } = started()
  connected()
  last().receive({ type: 'drain', reconnect_after_ms: 3_000 })
  expect(client.state.phase).toBe('open')
  last().drop(4010)
  client.nudge()
  await vi.advanceTimersByTimeAsync(2_999)
  expect(sockets).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(sockets).toHaveLength(2)
})

test('a draining server that does not close is left when the slot has come', async () => {
  const { sockets, last, connected } = started()
  connected()
  last().receive({ type: 'drain', reconnect_after_ms: 500 })
  await vi.advanceTimersByTimeAsync(501)
  expect(sockets).toHaveLength(2)
})

test('an expired token is refreshed and the connection comes back at once', async () => {
  const refresh = vi.fn(async (): Promise<RefreshOutcome> => 'ok')
  const { sockets, last } = started(refresh)
  last().drop(4001)
  await vi.advanceTimersByTimeAsync(0)
  expect(refresh).toHaveBeenCalledOnce()
  expect(sockets).toHaveLength(2)
})

test('a refresh that is refused signs out; one that is unavailable waits', async () => {
  const ended = started(async () => 'ended')
  ended.last().drop(4001)
  await vi.advanceTimersByTimeAsync(0)
  expect(ended.client.state).toMatchObject({ phase: 'ended', ended: 'signed-out' })
  const away = started(async () => 'later')
  away.last().drop(4001)
  await vi.advanceTimersByTimeAsync(0)
  expect(away.client.state.phase).toBe('waiting')
})

test.each([4501, 4503, 4505, 1008])('%i is the end: nothing brings it back', async (code) => {
  const { client, sockets, last, connected } = started()
  connected()
  last().drop(code)
  client.nudge()
  client.tryNow()
  await vi.advanceTimersByTimeAsync(120_000)
  expect(sockets).toHaveLength(1)
  expect(client.state.phase).toBe('ended')
})

test('coming online tries at once', () => {
  const { client, sockets, last, connected } = started()
  connected()
  last().drop(1006)
  client.nudge()
  expect(sockets).toHaveLength(2)
})

test('a network that went away in silence is noticed three seconds after a nudge', async () => {
  const { client, last, connected } = started()
  connected()
  client.nudge()
  expect(last().sent.at(-1)).toMatchObject({ type: 'unsubscribe' })
  await vi.advanceTimersByTimeAsync(2_999)
  expect(client.state.phase).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(client.state.phase).toBe('waiting')
  expect(last().closed).toBe(4000)
})

test('a connection that answers the nudge stays, with the patience it had', async () => {
  const { client, sockets, last, connected } = started()
  connected()
  client.nudge()
  const { ref, room } = last().sent.at(-1) as { ref: number; room: string }
  last().receive({ type: 'unsubscribed', ref, room })
  await vi.advanceTimersByTimeAsync(39_999)
  expect(client.state.phase).toBe('open')
  expect(sockets).toHaveLength(1)
})

test('after a nudge frames that are not the answer put the end off, and no more', async () => {
  const { client, last, connected } = started()
  connected()
  client.nudge()
  await vi.advanceTimersByTimeAsync(2_000)
  last().receive({ type: 'cursors', items: [], token: 't' })
  await vi.advanceTimersByTimeAsync(2_999)
  expect(client.state.phase).toBe('open')
  await vi.advanceTimersByTimeAsync(1)
  expect(client.state.phase).toBe('waiting')
})

test('an unknown kind of frame is passed over', () => {
  const { client, frames, last, connected } = started()
  connected()
  last().receive({ type: 'something_new', room: 'r' })
  last().onmessage?.({ data: 'not json' } as MessageEvent)
  expect(frames.map((frame) => frame.type)).toEqual(['welcome'])
  expect(client.state.phase).toBe('open')
})
