/** Lines of a log; the last one speaks. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 32 32" className="shrink-0">
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g className="stroke-on-accent" strokeLinecap="round" strokeWidth="3">
        <path d="M8 9.5h16M8 15.5h16M8 21.5h7" />
      </g>
      <path d="M19 20h5.5v6.2z" className="fill-on-accent stroke-on-accent" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  )
}

export function Wordmark() {
  return (
    <span className="inline-flex items-center gap-2.5">
      <Mark />
      <span className="font-display text-lg font-semibold tracking-tight">Parley</span>
    </span>
  )
}
