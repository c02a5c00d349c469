const bars = [
  { y: 44, width: 74 },
  { y: 78, width: 52 },
  { y: 112, width: 88 },
  { y: 146, width: 40 },
  { y: 180, width: 66 },
]

const box = 'fill-raised stroke-line'
const label = 'fill-soft text-[13px] font-semibold'

/** The idea as a drawing: one column of records, and the two readings of it. */
export function LogFigure() {
  return (
    <svg
      viewBox="0 0 440 280"
      role="img"
      aria-label="One log in the middle; live delivery and storage are both read from it, in the same order."
      className="w-full rounded-2xl border border-line bg-panel"
    >
      <g transform="translate(32 20)">
        <text x="66" y="20" textAnchor="middle" className={label}>
          The log
        </text>
        <rect x="0.5" y="30.5" width="131" height="200" rx="12" className="fill-accent stroke-accent" />
        {bars.map((bar) => (
          <rect
            key={bar.y}
            x="20"
            y={bar.y + 6}
            width={bar.width}
            height="12"
            rx="6"
            className="fill-on-accent"
            opacity={0.92}
          />
        ))}
        <path d="M20 218h10" className="stroke-on-accent" strokeWidth="2.5" strokeLinecap="round" />
      </g>
      <g className="fill-none stroke-edge" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round">
        <path d="M176 112c36 0 34-28 66-28M176 180c36 0 34 26 66 26" />
        <path d="m236 79 7 5-7 5M236 201l7 5-7 5" />
      </g>
      <Reading y={22} name="Live delivery" />
      <Reading y={146} name="Storage" />
    </svg>
  )
}

function Reading({ y, name }: { y: number; name: string }) {
  return (
    <g transform={`translate(252 ${y})`}>
      <rect x="0.5" y="0.5" width="156" height="110" rx="12" className={box} />
      <text x="16" y="25" className={label}>
        {name}
      </text>
      {[74, 52, 88].map((width, index) => (
        <rect
          key={width}
          x="16"
          y={42 + index * 20}
          width={width}
          height="9"
          rx="4.5"
          className="fill-accent"
          opacity={0.55}
        />
      ))}
    </g>
  )
}
