import { useEffect, useRef, useState } from 'react'
import { useStore } from 'zustand'
import { useConnection, useLink, useLive } from '@/shared/live/context'
import { copyText } from '@/shared/text/copy'
import { IconButton } from '@/shared/ui/button'
import { CheckIcon, CloseIcon, CopyIcon } from '@/shared/ui/icons'
import { asText, type Fact, facts } from './facts'

const COPIED_MS = 2_000

/** Below the panes, never over them: it stays open while one goes on using the app. */
export function DebugPanel({ room, onClose }: { room: string | undefined; onClose(): void }) {
  const shown = useFacts(room)
  return (
    <aside
      aria-label="Connection details"
      className="flex shrink-0 flex-col gap-1 border-t border-line bg-panel px-4 pt-1 pb-[max(10px,env(safe-area-inset-bottom))] md:flex-row-reverse md:items-center md:justify-between md:gap-6 md:py-2 md:pr-2.5"
    >
      <div className="flex items-center gap-1">
        <h2 className="flex-1 text-sm font-semibold md:sr-only">Connection details</h2>
        <CopyButton text={() => asText(shown, room, new Date())} />
        <IconButton label="Close connection details" className="-mr-2 md:mr-0" onClick={onClose}>
          <CloseIcon />
        </IconButton>
      </div>
      <dl className="grid grid-cols-3 gap-x-4 gap-y-1.5 md:flex md:flex-wrap md:gap-x-8 md:gap-y-1">
        {shown.map((fact) => (
          <FactCell key={fact.label} {...fact} />
        ))}
      </dl>
    </aside>
  )
}

function useFacts(room: string | undefined): Fact[] {
  const live = useLive()
  const phase = useConnection((connection) => connection.phase)
  const link = useLink()
  const held = useStore(live.timelines, (state) => (room ? state.rooms[room] : undefined))
  useEffect(() => live.measure(), [live])
  return facts(phase, link, held)
}

function FactCell({ label, value }: Fact) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-soft">{label}</dt>
      <dd className="text-sm tabular-nums">{value}</dd>
    </div>
  )
}

function CopyButton({ text }: { text(): string }) {
  const [copied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])

  async function copy() {
    clearTimeout(timer.current)
    setCopied(await copyText(text()))
    timer.current = setTimeout(() => setCopied(false), COPIED_MS)
  }

  return (
    <>
      <span role="status" className="sr-only">
        {copied ? 'Copied' : ''}
      </span>
      <IconButton label="Copy connection details" onClick={() => void copy()}>
        {copied ? <CheckIcon /> : <CopyIcon />}
      </IconButton>
    </>
  )
}
