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
    <section
      aria-label={text ? 'Connection' : undefined}
      data-testid={text ? 'connection-banner' : undefined}
      className={text ? 'flex min-h-9 items-center justify-center gap-3 bg-notice px-4 text-sm text-on-notice' : ''}
    >
      <p>
        {/* Always there, so that what is put into it is noticed. */}
        <span role="status">{text?.message}</span>
        {text?.countdown ? (
          <span aria-hidden="true" className="tabular-nums">
            {' '}
            {text.countdown}
          </span>
        ) : null}
      </p>
      {text?.action ? (
        <button
          type="button"
          className="min-h-11 rounded px-2 font-semibold underline underline-offset-2 md:min-h-7"
          onClick={() => (text.action === 'reload' ? window.location.reload() : live.tryNow())}
        >
          {text.action === 'reload' ? 'Reload' : 'Try now'}
        </button>
      ) : null}
    </section>
  )
}
