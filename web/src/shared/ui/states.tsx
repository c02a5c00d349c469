import type { ReactNode } from 'react'
import { Button } from './button'

/** Empty, failed, and missing all look alike: a sentence about what is so, and what can be done. */
interface NoticeProps {
  title: string
  children?: ReactNode
  action?: ReactNode
  /** `h1` where the notice is the whole page. */
  heading?: 'h1' | 'h2'
}

export function Notice({ title, children, action, heading: Heading = 'h2' }: NoticeProps) {
  return (
    <div className="mx-auto flex max-w-sm flex-col items-center gap-2 px-6 py-12 text-center">
      <Heading className="text-lg font-semibold">{title}</Heading>
      {children ? <p className="text-sm text-soft">{children}</p> : null}
      {action ? <div className="mt-3 flex flex-wrap justify-center gap-2">{action}</div> : null}
    </div>
  )
}

interface FailedProps {
  what: string
  why: string
  onRetry(): void
  heading?: 'h1' | 'h2'
}

export function Failed({ what, why, onRetry, heading }: FailedProps) {
  return (
    <Notice
      heading={heading}
      title={what}
      action={
        <Button look="quiet" onClick={onRetry}>
          Try again
        </Button>
      }
    >
      {why}
    </Notice>
  )
}

const widths = ['w-3/5', 'w-4/5', 'w-2/5', 'w-3/4', 'w-1/2']

export function Skeleton({ rows, label }: { rows: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-5 px-4 py-4">
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholder rows are alike and never move
        <div key={index} className="flex animate-pulse gap-3">
          <span className="size-9 shrink-0 rounded-lg bg-hover" />
          <span className="flex flex-1 flex-col gap-2 pt-1">
            <span className="h-3 w-28 rounded bg-hover" />
            <span className={`h-3 rounded bg-hover ${widths[index % widths.length]}`} />
          </span>
        </div>
      ))}
    </div>
  )
}

export function Spinner({ label }: { label: string }) {
  return (
    <span role="status" className="inline-flex items-center gap-2 text-sm text-soft">
      <span aria-hidden="true" className="size-4 animate-spin rounded-full border-2 border-line border-t-accent" />
      {label}
    </span>
  )
}
