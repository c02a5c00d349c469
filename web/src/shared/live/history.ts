import { Problem } from '../api/problem'
import type { SocketClient } from '../socket/client'
import type { Timelines } from './timelines'

const PAGE = 100
const ANSWER_MS = 10_000
const PATIENCE = 3

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Loads one older page; waits out what the server says will pass. Resolves false when there was nothing to load. */
export function createHistory(client: () => SocketClient, timelines: Timelines) {
  const underWay = new Map<string, Promise<boolean>>()

  async function load(room: string): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const timeline = timelines.get(room)
      if (!timeline?.hasOlder) return false
      const answer = await client().request({ type: 'history', room, before: timeline.start, limit: PAGE }, ANSWER_MS)
      if (answer.type === 'page') return true
      const code = answer.type === 'error' ? answer.code : 'unavailable'
      const wait = answer.type === 'error' ? answer.retry_after_ms : null
      if (wait === null || wait === undefined || tries === PATIENCE) throw new Problem(0, code)
      await pause(wait)
    }
  }

  return {
    older(room: string): Promise<boolean> {
      const running = underWay.get(room)
      if (running) return running
      const started = load(room).finally(() => underWay.delete(room))
      underWay.set(room, started)
      return started
    },
  }
}
