import { Spinner } from '@/shared/ui/states'
import { TOP_SPACE } from './use-message-list'

interface Props {
  hasOlder: boolean
  loading: boolean
  error: string | null
  onRetry(): void
}

/** Always as high, whatever it says: it stands above rows that must not move. */
export function TopSpace({ hasOlder, loading, error, onRetry }: Props) {
  if (!hasOlder) return null
  return (
    <div
      className="absolute inset-x-0 top-0 flex items-center justify-center gap-3 px-4 text-sm"
      style={{ height: TOP_SPACE }}
    >
      {loading ? <Spinner label="Loading older messages" /> : null}
      {error ? (
        <>
          <span role="alert" className="text-soft">
            {error}
          </span>
          <button
            type="button"
            className="min-h-11 font-semibold underline underline-offset-2 md:min-h-6"
            onClick={onRetry}
          >
            Try again
          </button>
        </>
      ) : null}
    </div>
  )
}
