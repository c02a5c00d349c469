import { Dialog as Radix } from 'radix-ui'
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import { useReads } from '@/shared/live/context'
import { unreadOf } from '@/shared/live/reads'
import { countText } from '@/shared/text/count'
import { neutral } from '@/shared/text/tokens'
import { HashIcon, LockIcon, SearchIcon } from '@/shared/ui/icons'
import { Spinner } from '@/shared/ui/states'
import { ranked } from './fuzzy'

interface Target {
  id: string
  name: string
  visibility: string
}

interface Props {
  rooms: readonly Target[]
  /** Whether there are more rooms than these, and why they are not here. */
  missing: 'loading' | 'failed' | null
  recent: readonly string[]
  onGo(room: string): void
  onDirectory(): void
  onRetry(): void
  onClose(): void
}

const SHOWN_MAX = 50

/** Any room, a few letters away. */
export function QuickSwitcher({ rooms, missing, recent, onGo, onDirectory, onRetry, onClose }: Props) {
  const [wanted, setWanted] = useState('')
  const [chosen, setChosen] = useState(0)
  const listId = useId()
  const found = ranked(rooms, wanted, recent).slice(0, SHOWN_MAX)
  const at = Math.min(chosen, Math.max(0, found.length - 1))

  function onKeyDown(event: KeyboardEvent) {
    if (event.nativeEvent.isComposing) return
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) {
      event.preventDefault()
      if (found.length > 0) setChosen((at + step + found.length) % found.length)
    } else if (event.key === 'Enter') {
      event.preventDefault()
      const room = found[at]
      if (room) onGo(room.id)
      else if (!missing) onDirectory()
    }
  }

  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-veil" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed inset-x-2 top-2 z-50 flex max-h-[calc(100dvh-16px)] animate-rise flex-col overflow-hidden rounded-2xl border border-line bg-raised shadow-float md:inset-x-auto md:top-[14vh] md:left-1/2 md:max-h-[60vh] md:w-[520px] md:-translate-x-1/2"
        >
          <Radix.Title className="sr-only">Go to a room</Radix.Title>
          <label className="flex shrink-0 items-center gap-3 border-b border-line px-4 text-soft">
            <SearchIcon />
            <input
              role="combobox"
              aria-label="Room"
              aria-expanded={found.length > 0}
              aria-controls={listId}
              aria-activedescendant={found[at] ? `${listId}-${found[at].id}` : undefined}
              autoComplete="off"
              spellCheck={false}
              placeholder="Go to a room…"
              value={wanted}
              onChange={(event) => {
                setWanted(event.target.value)
                setChosen(0)
              }}
              onKeyDown={onKeyDown}
              className="h-13 min-w-0 flex-1 bg-transparent text-[16px] text-ink outline-none"
            />
          </label>
          {found.length > 0 ? (
            <div id={listId} role="listbox" aria-label="Rooms" className="scroll-quiet overflow-y-auto p-2">
              {found.map((room, index) => (
                <Option
                  key={room.id}
                  id={`${listId}-${room.id}`}
                  room={room}
                  selected={index === at}
                  onGo={() => onGo(room.id)}
                />
              ))}
            </div>
          ) : missing ? null : (
            <Line text="None of your rooms is called so." action="Look among all public rooms" onAction={onDirectory} />
          )}
          {missing === 'failed' ? (
            <Line text="Not all of your rooms could be loaded." action="Try again" onAction={onRetry} />
          ) : missing ? (
            <p className="shrink-0 px-4 py-3">
              <Spinner label="Loading your rooms" />
            </p>
          ) : null}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

function Line({ text, action, onAction }: { text: string; action: string; onAction(): void }) {
  return (
    <p className="shrink-0 p-4 text-sm text-soft">
      {text}{' '}
      <button type="button" onClick={onAction} className="min-h-11 font-semibold text-link underline md:min-h-6">
        {action}
      </button>
    </p>
  )
}

function Option({ id, room, selected, onGo }: { id: string; room: Target; selected: boolean; onGo(): void }) {
  const unread = unreadOf(useReads()[room.id])
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (selected) element.current?.scrollIntoView({ block: 'nearest' })
  }, [selected])
  const Icon = room.visibility === 'private' ? LockIcon : HashIcon
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the field's
    <div
      ref={element}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={selected}
      onClick={onGo}
      className="flex min-h-11 cursor-pointer items-center gap-2.5 rounded-lg px-2.5 text-sm hover:bg-hover aria-selected:bg-selected md:min-h-9"
    >
      <Icon size={16} className="text-soft" />
      <span className={`min-w-0 truncate ${unread > 0 ? 'font-bold' : ''}`} dir="auto">
        {neutral(room.name)}
      </span>
      {unread > 0 ? (
        <span className="ml-auto shrink-0 text-xs text-soft tabular-nums">{countText(unread)} unread</span>
      ) : null}
    </div>
  )
}
