import { UpIcon } from '@/shared/ui/icons'
import { Spinner } from '@/shared/ui/states'

interface Props {
  unread: number
  loading: boolean
  onJump(): void
  onRead(): void
}

/** Where the beginning of what is unread is out of sight: the way there, and the way out. */
export function UnreadBar({ unread, loading, onJump, onRead }: Props) {
  return (
    <div className="absolute inset-x-3 top-2 z-20 flex animate-rise items-center gap-1 rounded-lg border border-line bg-raised pl-1 text-sm shadow-float md:inset-x-auto md:left-1/2 md:-translate-x-1/2">
      <button
        type="button"
        onClick={onJump}
        className="inline-flex min-h-11 min-w-0 flex-1 items-center gap-2 rounded-md px-2.5 text-left font-semibold hover:bg-hover md:min-h-8"
      >
        {loading ? <Spinner label="Loading what is unread" /> : <UpIcon size={16} className="text-link" />}
        <span className="truncate tabular-nums">
          {unread.toLocaleString()} new {unread === 1 ? 'message' : 'messages'}
        </span>
      </button>
      <button
        type="button"
        title="Mark as read (Esc)"
        onClick={onRead}
        className="min-h-11 shrink-0 rounded-md px-2.5 text-soft hover:bg-hover hover:text-ink md:min-h-8"
      >
        Mark as read
      </button>
    </div>
  )
}
