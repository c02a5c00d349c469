import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { BODY_CODE_POINTS_MAX, COUNTER_FROM, codePoints } from '@/shared/text/length'
import { SendIcon } from '@/shared/ui/icons'
import { keepDraft, readDraft } from './drafts'
import { composerId } from './focus-composer'
import { isTouch } from './touch'

const MAX_HEIGHT_PX = 220

interface Props {
  me: string
  room: string
  placeholder: string
  onSend(body: string): void
}

/** Never blocks: whatever the connection does, a message can be written and handed over. */
export function Composer({ me, room, placeholder, onSend }: Props) {
  const [text, setText] = useState(() => readDraft(me, room))
  const area = useRef<HTMLTextAreaElement>(null)
  const length = codePoints(text)
  const over = length - BODY_CODE_POINTS_MAX
  const sendable = text.trim() !== '' && over <= 0

  useEffect(() => keepDraft(me, room, text), [me, room, text])
  useEffect(() => {
    // On touch screens this would raise the keyboard over the conversation one came to read.
    if (!isTouch()) area.current?.focus()
  }, [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => grow(area.current), [text])

  function send() {
    if (sendable) {
      onSend(text.replace(/^\n+|\s+$/gu, ''))
      setText('')
    }
    area.current?.focus()
  }

  function onKeyDown(event: KeyboardEvent) {
    // While an input method composes, Enter belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    // A keyboard on the screen has no Shift+Enter, but the button to send is under the thumb.
    if (isTouch() && !event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    send()
  }

  return (
    <div className="shrink-0 px-3 pt-1 pb-[max(12px,env(safe-area-inset-bottom))] md:px-5 md:pb-5">
      <div className="flex items-end rounded-xl border border-edge bg-raised focus-within:border-accent focus-within:ring-1 focus-within:ring-accent">
        <textarea
          id={composerId}
          ref={area}
          rows={1}
          dir="auto"
          value={text}
          aria-label="Message"
          enterKeyHint={isTouch() ? 'enter' : 'send'}
          aria-describedby={length >= COUNTER_FROM ? 'composer-count' : undefined}
          aria-invalid={over > 0 || undefined}
          placeholder={placeholder}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          className="scroll-quiet min-h-11 flex-1 resize-none bg-transparent px-3.5 text-[16px] md:text-base py-[15px] md:py-[11px] outline-none"
        />
        <button
          type="button"
          aria-label="Send"
          title="Send"
          disabled={!sendable}
          onClick={send}
          className="m-1 inline-flex size-11 shrink-0 items-center justify-center rounded-lg bg-accent text-on-accent transition-colors hover:bg-accent-strong disabled:bg-transparent disabled:text-soft md:size-9"
        >
          <SendIcon />
        </button>
      </div>
      {length >= COUNTER_FROM ? <Counter over={over} /> : null}
    </div>
  )
}

function Counter({ over }: { over: number }) {
  const text =
    over > 0
      ? `${over.toLocaleString()} too many. Shorten it to send it.`
      : `${(-over).toLocaleString()} characters left`
  return (
    <p id="composer-count" className={`px-1 pt-1 text-xs tabular-nums ${over > 0 ? 'text-danger' : 'text-soft'}`}>
      {text}
    </p>
  )
}

function grow(area: HTMLTextAreaElement | null): void {
  if (!area) return
  area.style.height = 'auto'
  area.style.height = `${Math.min(area.scrollHeight, MAX_HEIGHT_PX)}px`
  area.style.overflowY = area.scrollHeight > MAX_HEIGHT_PX ? 'auto' : 'hidden'
}
