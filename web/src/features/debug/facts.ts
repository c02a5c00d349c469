import type { Link } from '@/shared/live/link'
import type { ConnectionState } from '@/shared/socket/client'
import type { Timeline } from '@/shared/timeline/timeline'

export interface Fact {
  label: string
  value: string
}

const phases: Record<ConnectionState['phase'], string> = {
  idle: 'not started',
  connecting: 'connecting',
  open: 'connected',
  waiting: 'waiting',
  ended: 'ended',
}

/** What does not exist just now: a gateway without a connection, a cursor without a room. */
export const NONE = '–'

/** What the panel says. While nobody serves this window, no gateway and no round trip are shown: they would be old. */
export function facts(phase: ConnectionState['phase'], link: Link, held: Timeline | undefined): Fact[] {
  const served = phase === 'open'
  return [
    { label: 'Gateway', value: (served && link.gateway) || NONE },
    { label: 'Connection', value: phases[phase] },
    { label: 'Came about', value: link.origin ?? NONE },
    { label: 'Round trip', value: served && link.roundTripMs !== null ? milliseconds(link.roundTripMs) : NONE },
    { label: 'Cursor', value: held ? `${held.cursor}` : NONE },
    { label: 'Stored below', value: held?.stored ? `${held.stored}` : NONE },
  ]
}

const milliseconds = (ms: number) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`

/** For a report: each line reads alone. */
export function asText(shown: readonly Fact[], room: string | undefined, at: Date): string {
  const lines = [...shown, { label: 'Room', value: room ?? NONE }, { label: 'At', value: at.toISOString() }]
  return ['Parley connection', ...lines.map(({ label, value }) => `${label}: ${value}`)].join('\n')
}
