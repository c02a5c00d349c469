import { createStore } from 'zustand/vanilla'
import type { SocketClient } from '../socket/client'
import { type ClientFrame, type FrameOf, PROBE } from '../socket/protocol'

/** What is known of the way to the server: for people who look for a fault, never for the app to decide by. */
export interface Link {
  gateway: string | null
  /** Whether the last connection went on where the one before it had ended. */
  origin: 'fresh' | 'resumed' | 'resynced' | null
  roundTripMs: number | null
}

const MEASURE_MS = 5_000
const ANSWER_MS = 10_000

export function createLink(client: () => SocketClient) {
  const store = createStore<Link>(() => ({ gateway: null, origin: null, roundTripMs: null }))

  function ask(): void {
    if (document.visibilityState !== 'visible') return
    void client()
      .request(PROBE, ANSWER_MS)
      .catch(() => {})
  }

  return {
    store,
    welcomed({ gateway, resume }: Pick<FrameOf<'welcome'>, 'gateway' | 'resume'>): void {
      const origin = { none: 'fresh', accepted: 'resumed', resync_required: 'resynced' } as const
      store.setState({ gateway, origin: origin[resume] })
    },
    /** A resume that was accepted may still be too old for one of its rooms. */
    resynced: () => store.setState({ origin: 'resynced' }),
    answered(asked: ClientFrame['type'], ms: number): void {
      // The answer to a send waits for the log, and one to history for the store.
      if (asked === 'hello' || asked === 'unsubscribe') store.setState({ roundTripMs: ms })
    },
    measure(): () => void {
      ask()
      const timer = setInterval(ask, MEASURE_MS)
      return () => clearInterval(timer)
    },
  }
}
