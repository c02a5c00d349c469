import { Problem } from '../api/problem'
import type { SocketClient } from '../socket/client'
import type { Item } from '../socket/protocol'
import { numberAt } from '../timeline/numbers'
import { numbered, older, type Timeline } from '../timeline/timeline'
import type { Timelines } from './timelines'

const PAGE = 100
const ANSWER_MS = 10_000
const PATIENCE = 3
const NUMBER_PAGE = 20
const NUMBER_TRIES = 8
const NUMBER_AGAIN_MS = 1_000

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type Apply = (room: string, next: Timeline, items: readonly Item[]) => void

/** Loads one older page; waits out what the server says will pass. */
export function createHistory(client: () => SocketClient, timelines: Timelines, apply: Apply) {
  const underWay = new Map<string, Promise<void>>()

  async function load(room: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const asked = timelines.get(room)
      if (!asked?.hasOlder) return
      const before = asked.start
      const answer = await client().request({ type: 'history', room, before, limit: PAGE }, ANSWER_MS)
      if (answer.type === 'page') {
        const held = timelines.get(room)
        if (held) apply(room, older(held, answer, before), answer.items)
        return
      }
      const { code, retry_after_ms: wait } = answer.type === 'error' ? answer : { code: 'unavailable' }
      if (wait === null || wait === undefined || tries === PATIENCE) throw new Problem(0, code)
      await pause(wait)
    }
  }

  /** A room that came from the newest frames alone has no numbers: the store is asked for one of them, once it has it. */
  async function number(room: string): Promise<void> {
    for (let tries = 0; tries < NUMBER_TRIES; tries++) {
      const asked = timelines.get(room)
      if (!asked || asked.items.length === 0 || numberAt(asked.items, 0) !== null) return
      const answer = await client()
        .request({ type: 'history', room, before: asked.cursor, limit: NUMBER_PAGE }, ANSWER_MS)
        .catch(() => null)
      const held = timelines.get(room)
      if (answer?.type === 'page' && held) apply(room, numbered(held, answer.items), [])
      if (tries + 1 < NUMBER_TRIES) await pause(NUMBER_AGAIN_MS)
    }
  }

  return {
    number,
    older(room: string): Promise<void> {
      const running = underWay.get(room)
      if (running) return running
      const started = load(room).finally(() => underWay.delete(room))
      underWay.set(room, started)
      return started
    },
  }
}
