import type { ConnectionState } from '@/shared/socket/client'

/** Short cuts heal unseen; only what lasts is worth a line. */
const QUIET_MS = 2_000

export interface BannerText {
  /** Says the same for as long as the cut lasts: it is read aloud. */
  message: string
  /** Changes every second: for the eyes alone. */
  countdown?: string
  action: 'try' | 'reload' | null
}

export function bannerText(state: ConnectionState, now: number): BannerText | null {
  if (state.phase === 'ended') {
    if (state.ended === 'disabled') return { message: 'This account has been disabled.', action: null }
    if (state.ended === 'outdated') return { message: 'There is a newer Parley. Reload to go on.', action: 'reload' }
    if (state.ended === 'refused') return { message: 'The connection was refused. Reload to go on.', action: 'reload' }
    return null
  }
  if (state.offlineSince === null || now - state.offlineSince < QUIET_MS) return null
  if (state.phase !== 'waiting' || state.nextTryAt === null) return { message: 'Reconnecting…', action: null }
  const seconds = Math.max(0, Math.ceil((state.nextTryAt - now) / 1000))
  return { message: 'Reconnecting…', countdown: `next try in ${seconds} s`, action: 'try' }
}
