import type { RefreshOutcome } from '../api/refresh'
import { backoffMs } from './backoff'
import { closeAction, type Ended } from './close-policy'
import {
  type ClientFrame,
  type FrameOf,
  PROBE,
  PROTOCOL_VERSION,
  parseFrame,
  type Resume,
  type ServerFrame,
} from './protocol'

const SILENCE_MS = 40_000
const CONNECT_MS = 10_000
/** Without any frame, once there is a reason to doubt that the network is still there. */
const DOUBT_MS = 3_000
/** An attempt counts as a success only after this long: a server that welcomes and drops must not be hammered. */
const SETTLED_MS = 5_000

export interface WireSocket {
  send(text: string): void
  close(code?: number): void
  onopen: ((event: Event) => unknown) | null
  onmessage: ((event: MessageEvent) => unknown) | null
  onclose: ((event: CloseEvent) => unknown) | null
}

export interface SocketDeps {
  open(): WireSocket
  refresh(): Promise<RefreshOutcome>
  random(): number
  resume(): Resume | undefined
  onWelcome(frame: FrameOf<'welcome'>): void
  onFrame(frame: ServerFrame): void
  onState(state: ConnectionState): void
  /** How long an answer took, from the frame that asked. */
  onAnswer?(asked: ClientFrame['type'], ms: number): void
}

export interface ConnectionState {
  phase: 'idle' | 'connecting' | 'open' | 'waiting' | 'ended'
  offlineSince: number | null
  nextTryAt: number | null
  ended: Ended | null
}

export const idle: ConnectionState = { phase: 'idle', offlineSince: null, nextTryAt: null, ended: null }

export class RequestLost extends Error {}

interface Waiting {
  asked: ClientFrame['type']
  at: number
  resolve(frame: ServerFrame): void
  reject(error: Error): void
  timer: ReturnType<typeof setTimeout>
}

/** One connection that comes back: hello, numbered requests with deadlines, jittered and paced reconnects. */
export class SocketClient {
  state: ConnectionState = idle
  private socket: WireSocket | null = null
  private ref = 0
  private attempt = 0
  /** The server asked for a pause; only a person may shorten it. */
  private paced = false
  /** When a draining server told us to come back. */
  private slotAt: number | null = null
  /** The number of the probe that has not been answered yet. */
  private probe: number | null = null
  private readonly waiting = new Map<number, Waiting>()
  private retryTimer: ReturnType<typeof setTimeout> | undefined
  private watchdog: ReturnType<typeof setTimeout> | undefined
  private settleTimer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly deps: SocketDeps) {}

  start(): void {
    if (this.state.phase === 'idle') this.connect()
  }

  stop(): void {
    this.abandon(1000)
    clearTimeout(this.retryTimer)
    this.set({ phase: 'idle', offlineSince: null, nextTryAt: null })
  }

  /** By `online`, `offline` and `visibilitychange`; respects a pause that the server asked for. */
  nudge(): void {
    if (this.state.phase === 'open') this.doubt()
    else if (this.state.phase === 'waiting' && !this.paced) this.connect()
  }

  /** By the person. */
  tryNow(): void {
    if (this.state.phase === 'waiting') this.connect()
  }

  /** Drops a connection that can no longer be trusted; resume repairs the rest. */
  reconnect(): void {
    if (!this.socket) return
    this.abandon(4000)
    this.lost(1006)
  }

  request(frame: ClientFrame, deadlineMs: number): Promise<ServerFrame> {
    if (this.state.phase !== 'open' && frame.type !== 'hello') return Promise.reject(new RequestLost('closed'))
    const socket = this.socket
    if (!socket) return Promise.reject(new RequestLost('closed'))
    const ref = ++this.ref
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(ref)?.reject(new RequestLost('timeout')), deadlineMs)
      this.waiting.set(ref, { asked: frame.type, at: performance.now(), resolve, reject, timer })
      socket.send(JSON.stringify({ ...frame, ref }))
    })
  }

  /** Says something that has no answer, if somebody is there to hear it. */
  tell(frame: ClientFrame): void {
    if (this.state.phase === 'open') this.socket?.send(JSON.stringify({ ...frame, ref: ++this.ref }))
  }

  private connect(): void {
    clearTimeout(this.retryTimer)
    this.paced = false
    this.slotAt = null
    this.set({ phase: 'connecting', offlineSince: this.state.offlineSince ?? Date.now(), nextTryAt: null, ended: null })
    const socket = this.deps.open()
    this.socket = socket
    const mine = (run: () => void) => () => this.socket === socket && run()
    socket.onopen = mine(() => void this.hello(socket))
    socket.onmessage = (event) => mine(() => this.receive(event.data))()
    socket.onclose = (event) =>
      mine(() => {
        this.abandon()
        this.lost(event.code)
      })()
    this.watch(CONNECT_MS)
  }

  private async hello(socket: WireSocket): Promise<void> {
    const resume = this.deps.resume()
    const hello: ClientFrame = { type: 'hello', version: PROTOCOL_VERSION, ...(resume && { resume }) }
    const frame = await this.request(hello, CONNECT_MS).catch(() => null)
    if (this.socket !== socket || frame?.type === 'welcome') return
    this.reconnect()
  }

  /** A network that went away closes nothing: only an answer tells that this connection still leads anywhere. */
  private doubt(): void {
    this.tell(PROBE)
    this.probe = this.ref
    this.watch(DOUBT_MS)
  }

  private receive(data: unknown): void {
    const frame = typeof data === 'string' ? parseFrame(data) : null
    if (frame && 'ref' in frame && frame.ref === this.probe) this.probe = null
    this.watch(this.patience())
    if (!frame) return
    if (frame.type === 'welcome') this.welcomed(frame)
    if (frame.type === 'drain') {
      // Answers under way may still come, so the server closes; if it does not, we leave when our slot has come.
      this.slotAt = Date.now() + frame.reconnect_after_ms
      this.retryTimer = setTimeout(() => this.reconnect(), frame.reconnect_after_ms)
    }
    const ref = 'ref' in frame ? frame.ref : null
    if (ref !== null && ref !== undefined) this.answer(ref, frame)
    this.deps.onFrame(frame)
  }

  private welcomed(frame: FrameOf<'welcome'>): void {
    this.settleTimer = setTimeout(() => {
      this.attempt = 0
    }, SETTLED_MS)
    this.watch(SILENCE_MS)
    this.set({ phase: 'open', offlineSince: null, nextTryAt: null })
    this.deps.onWelcome(frame)
  }

  private lost(code: number): void {
    clearTimeout(this.retryTimer)
    const action = closeAction(code)
    if (action.kind === 'stop') this.end(action.ended)
    else if (action.kind === 'refresh') void this.refreshThenReturn()
    else this.waitForTurn(action.kind === 'retry' ? action.atLeastMs : 0)
  }

  private waitForTurn(atLeastMs: number): void {
    this.paced = this.slotAt !== null || atLeastMs > 0
    if (this.slotAt !== null) this.wait(Math.max(0, this.slotAt - Date.now()))
    else this.wait(atLeastMs + backoffMs(this.attempt++, this.deps.random()))
  }

  private async refreshThenReturn(): Promise<void> {
    this.set({ phase: 'connecting', offlineSince: this.state.offlineSince ?? Date.now(), nextTryAt: null })
    const outcome = await this.deps.refresh()
    if (this.state.phase !== 'connecting' || this.socket) return
    if (outcome === 'ended') return this.end('signed-out')
    // The first return after a refresh is immediate; if 4001 comes again, the growing delay keeps it from looping.
    const attempt = this.attempt++
    this.wait(outcome === 'ok' && attempt === 0 ? 0 : backoffMs(attempt, this.deps.random()))
  }

  private wait(ms: number): void {
    const now = Date.now()
    this.set({ phase: 'waiting', offlineSince: this.state.offlineSince ?? now, nextTryAt: now + ms })
    this.retryTimer = setTimeout(() => this.connect(), ms)
  }

  private end(ended: Ended): void {
    this.set({ phase: 'ended', offlineSince: this.state.offlineSince ?? Date.now(), nextTryAt: null, ended })
  }

  /** Lets go of the socket: from here on its events mean nothing, and nobody waits for its answers. */
  private abandon(code?: number): void {
    const socket = this.socket
    this.socket = null
    this.probe = null
    clearTimeout(this.watchdog)
    clearTimeout(this.settleTimer)
    if (code !== undefined) socket?.close(code)
    for (const ref of [...this.waiting.keys()]) this.settle(ref)?.reject(new RequestLost('closed'))
  }

  private answer(ref: number, frame: ServerFrame): void {
    const waiting = this.settle(ref)
    if (!waiting) return
    this.deps.onAnswer?.(waiting.asked, performance.now() - waiting.at)
    waiting.resolve(frame)
  }

  private settle(ref: number): Waiting | undefined {
    const waiting = this.waiting.get(ref)
    this.waiting.delete(ref)
    clearTimeout(waiting?.timer)
    return waiting
  }

  /** What came may have lain in the browser since before the cut, and an answer may be behind much else: so while in doubt each frame only prolongs it. */
  private patience(): number {
    if (this.state.phase !== 'open') return CONNECT_MS
    return this.probe === null ? SILENCE_MS : DOUBT_MS
  }

  private watch(ms: number): void {
    clearTimeout(this.watchdog)
    this.watchdog = setTimeout(() => this.reconnect(), ms)
  }

  private set(patch: Partial<ConnectionState>): void {
    this.state = { ...this.state, ...patch }
    this.deps.onState(this.state)
  }
}
