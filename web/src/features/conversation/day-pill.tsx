import { dayLabel } from '@/shared/text/time'
import { useToday } from './today'

/** The day of what is on top, while its own line is out of sight. */
export function DayPill({ at, belowBar }: { at: number; belowBar: boolean }) {
  const now = useToday()
  return (
    <div
      aria-hidden="true"
      data-testid="day-pill"
      className={`pointer-events-none absolute inset-x-0 z-10 flex justify-center ${belowBar ? 'top-14 md:top-12' : 'top-2'}`}
    >
      <span className="rounded-full border border-line bg-raised px-3 py-0.5 text-xs font-semibold text-soft">
        {dayLabel(at, now)}
      </span>
    </div>
  )
}
