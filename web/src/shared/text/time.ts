const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const dayThisYear = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const dayWithYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })
const shortThisYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const shortWithYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

export const clockTime = (at: number) => clock.format(at)
/** Without AM and PM, for places where the hour alone is enough. */
export const shortTime = (at: number) =>
  clock
    .formatToParts(at)
    .filter((part) => part.type !== 'dayPeriod')
    .map((part) => part.value)
    .join('')
    .trim()
export const fullTime = (at: number) => full.format(at)

/** As short as it can be told apart: the time today, else the day. */
export function shortDate(at: number, now: number): string {
  if (dayKey(at) === dayKey(now)) return clockTime(at)
  return (new Date(at).getFullYear() === new Date(now).getFullYear() ? shortThisYear : shortWithYear).format(at)
}

/** The day in the person's own zone. */
export function dayKey(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`
}

export function dayLabel(at: number, now: number): string {
  const key = dayKey(at)
  if (key === dayKey(now)) return 'Today'
  const yesterday = new Date(now)
  yesterday.setDate(yesterday.getDate() - 1)
  if (key === dayKey(yesterday.getTime())) return 'Yesterday'
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear()
  return (sameYear ? dayThisYear : dayWithYear).format(at)
}
