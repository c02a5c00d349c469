import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { BackIcon } from './icons'

/** On one pane the way back to the list of rooms is here; on two it is not needed. */
export function PaneHeader({ children }: { children: ReactNode }) {
  return (
    <header className="flex h-14 shrink-0 items-center gap-2 border-b border-line px-2 md:px-5">
      <Link
        to="/rooms"
        aria-label="Back to rooms"
        className="inline-flex size-11 shrink-0 items-center justify-center rounded-lg text-soft hover:bg-hover md:hidden"
      >
        <BackIcon size={20} />
      </Link>
      {children}
    </header>
  )
}
