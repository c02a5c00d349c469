import { useEffect, useState } from 'react'
import { useConnection, useLive } from '@/shared/live/context'
import type { ConnectionState } from '@/shared/socket/client'
import { bannerText } from './banner-text'

/** Ticks only while there is something to count. */
function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!running) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 250)
    return () => clearInterval(timer)
  }, [running])
  return now
}

export function ConnectionBanner() {
  const live = useLive()
  const state = useConnection((connection: ConnectionState) => connection)
  const now = useNow(state.offlineSince !== null)
  const text = bannerText(state, now)
  return (
    <div role="status">
      {text ? (
        <div
          data-testid="connection-banner"
          className="flex min-h-9 items-center justify-center gap-3 bg-notice px-4 text-sm text-on-notice"
        >
          <span className="tabular-nums">{text.message}</span>
          {text.action ? (
            <button
              type="button"
              className="min-h-11 rounded px-2 font-semibold underline underline-offset-2 md:min-h-7"
              onClick={() => (text.action === 'reload' ? window.location.reload() : live.tryNow())}
            >
              {text.action === 'reload' ? 'Reload' : 'Try now'}
            </button>
          ) : null}
        </div>
      ) : null}
    </div>
  )
}
