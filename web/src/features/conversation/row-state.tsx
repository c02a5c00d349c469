import type { ReactNode } from 'react'
import { sentenceFor } from '@/shared/api/problem'
import { useConnection, useLive } from '@/shared/live/context'
import type { Entry } from '@/shared/outbox/machine'
import { AlertIcon, CheckIcon, ClockIcon } from '@/shared/ui/icons'
import { focusComposer } from './focus-composer'
import type { Row } from './rows'

const marks = {
  pending: { Icon: ClockIcon, text: 'Sending' },
  accepted: { Icon: CheckIcon, text: 'Accepted' },
  failed: { Icon: AlertIcon, text: 'Not sent' },
}

/** Stored is the ordinary state of a message and needs no mark. */
export function StateIcon({ id, state }: { id: string; state: Row['state'] }) {
  if (state === 'stored') return null
  const { Icon, text } = marks[state]
  return (
    <span
      id={id}
      role="img"
      aria-label={text}
      title={text}
      className={`flex h-[22px] items-center ${state === 'failed' ? 'text-danger' : 'text-soft'}`}
    >
      <Icon size={14} />
    </span>
  )
}

export function RowState({ entry }: { entry: Entry }) {
  const live = useLive()
  const offline = useConnection((connection) => connection.phase !== 'open')
  const discard = <RowButton onClick={() => live.discard(entry.cid)}>Discard</RowButton>
  if (entry.state === 'failed') {
    return (
      <p className="flex flex-wrap items-center gap-x-3 text-sm text-danger">
        <span>{sentenceFor(entry.code ?? '')}</span>
        <span className="flex gap-3">
          <RowButton onClick={() => live.retry(entry.room, entry.cid)}>Retry</RowButton>
          {discard}
        </span>
      </p>
    )
  }
  if (entry.state !== 'pending') return null
  if (entry.discarded) return <p className="text-sm text-soft">Withdrawing…</p>
  // A short wait is not worth words; a long one has to offer a way out.
  if (!offline && entry.not_before === 0) return null
  return (
    <p className="flex flex-wrap items-center gap-x-3 text-sm text-soft">
      <span>{offline ? 'Waiting for the connection.' : 'Not confirmed yet. Trying again.'}</span>
      {discard}
    </p>
  )
}

function RowButton({ onClick, children }: { onClick(): void; children: ReactNode }) {
  return (
    <button
      type="button"
      onClick={() => {
        onClick()
        focusComposer()
      }}
      className="min-h-11 rounded px-0.5 font-semibold text-ink underline underline-offset-2 md:min-h-6"
    >
      {children}
    </button>
  )
}
