import type { SocketClient } from '../socket/client'
import type { FrameOf, Resume } from '../socket/protocol'
import type { Timelines } from './timelines'

/** Rooms kept warm, so that going back to one is instant. */
const WARM_ROOMS = 12
const ANSWER_MS = 10_000
const AGAIN_MS = 2_000

/** Which rooms this socket should receive, and the token that brings them back after a cut. */
export function createSubscriptions(client: () => SocketClient, timelines: Timelines) {
  let wanted: string[] = []
  const pinned = new Set<string>()
  const asked = new Set<string>()
  const timers = new Set<ReturnType<typeof setTimeout>>()
  let token: { text: string; rooms: Set<string> } | null = null

  const later = (ms: number, run: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.add(timer)
  }

  function want(room: string): void {
    wanted = [room, ...wanted.filter((other) => other !== room)]
    const cold = wanted.filter((other, index) => index >= WARM_ROOMS && !pinned.has(other))
    wanted = wanted.filter((other) => !cold.includes(other))
    for (const other of cold) leave(other)
    if (!timelines.get(room)?.live) void subscribe(room)
  }

  function forget(room: string): void {
    wanted = wanted.filter((other) => other !== room)
    timelines.drop(room)
  }

  function leave(room: string): void {
    forget(room)
    void client()
      .request({ type: 'unsubscribe', room }, ANSWER_MS)
      .catch(() => {})
  }

  async function subscribe(room: string): Promise<void> {
    if (asked.has(room) || client().state.phase !== 'open') return
    asked.add(room)
    const answer = await client()
      .request({ type: 'subscribe', room }, ANSWER_MS)
      .catch(() => null)
    asked.delete(room)
    if (answer?.type === 'error') return refused(room, answer)
    if (answer === null) again(room)
  }

  function refused(room: string, answer: FrameOf<'error'>): void {
    if (answer.code === 'not_found' || answer.code === 'forbidden') {
      forget(room)
      timelines.setGone(room, true)
    } else again(room, answer.retry_after_ms ?? AGAIN_MS)
  }

  function again(room: string, ms = AGAIN_MS): void {
    later(ms, () => wanted.includes(room) && !timelines.get(room)?.live && void subscribe(room))
  }

  function onWelcome(frame: FrameOf<'welcome'>): void {
    asked.clear()
    const resumed = frame.resume === 'accepted' && token ? token.rooms : new Set<string>()
    if (resumed.size === 0) token = null
    for (const room of resumed) {
      if (!wanted.includes(room)) leave(room)
      // Each resumed room is owed a replay or a resync. One that gets neither must not stay silent for ever.
      else again(room, ANSWER_MS)
    }
    for (const room of wanted) if (!resumed.has(room)) void subscribe(room)
  }

  function onCursors(frame: FrameOf<'cursors'>): void {
    token = { text: frame.token, rooms: new Set(frame.items.map((entry) => entry.room)) }
  }

  function resume(): Resume | undefined {
    if (!token) return undefined
    const rooms = [...token.rooms].flatMap((room) => {
      const timeline = timelines.get(room)
      return timeline ? [{ room, cursor: timeline.cursor }] : []
    })
    return { token: token.text, rooms }
  }

  return {
    want,
    pin: (room: string) => void pinned.add(room),
    forget,
    leave,
    again,
    resume,
    onWelcome,
    onCursors,
    isWanted: (room: string) => wanted.includes(room),
    stop: () => {
      for (const timer of timers) clearTimeout(timer)
    },
  }
}
export type Subscriptions = ReturnType<typeof createSubscriptions>
