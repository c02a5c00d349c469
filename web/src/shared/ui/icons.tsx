import type { ReactNode } from 'react'

/** One stroke, one grid. Icons are decoration: the control around them carries the name. */
function icon(paths: ReactNode) {
  // biome-ignore lint/correctness/noComponentHookFactories: called once per icon, when this module is loaded
  return function Icon({ size = 18, className }: { size?: number; className?: string }) {
    return (
      <svg
        aria-hidden="true"
        focusable="false"
        width={size}
        height={size}
        viewBox="0 0 20 20"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.6"
        strokeLinecap="round"
        strokeLinejoin="round"
        className={`shrink-0 ${className ?? ''}`}
      >
        {paths}
      </svg>
    )
  }
}

export const HashIcon = icon(<path d="M8 3 6.5 17M13.5 3 12 17M3.5 7.5h13M3 12.5h13" />)
export const LockIcon = icon(
  <>
    <rect x="4" y="9" width="12" height="8" rx="2" />
    <path d="M7 9V6.5a3 3 0 0 1 6 0V9" />
  </>,
)
export const PlusIcon = icon(<path d="M10 4v12M4 10h12" />)
export const CompassIcon = icon(
  <>
    <circle cx="10" cy="10" r="7" />
    <path d="m12.6 7.4-1.5 3.7-3.7 1.5 1.5-3.7z" />
  </>,
)
export const BackIcon = icon(<path d="M12.5 4.5 7 10l5.5 5.5" />)
export const DownIcon = icon(<path d="M10 4v12M5 11l5 5 5-5" />)
export const UpIcon = icon(<path d="M10 16V4M5 9l5-5 5 5" />)
export const UnreadIcon = icon(
  <>
    <path d="M4 6h7M4 10h12M4 14h9" />
    <circle cx="15" cy="5.5" r="1.6" fill="currentColor" />
  </>,
)
export const ChevronIcon = icon(<path d="m5.5 8 4.5 4.5L14.5 8" />)
export const CheckIcon = icon(<path d="m4.5 10.5 3.5 3.5 7.5-8" />)
export const ClockIcon = icon(
  <>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 6.5V10l2.5 1.5" />
  </>,
)
export const AlertIcon = icon(
  <>
    <circle cx="10" cy="10" r="6.5" />
    <path d="M10 6.5v4M10 13.2v.1" />
  </>,
)
export const CopyIcon = icon(
  <>
    <rect x="7.5" y="7.5" width="9" height="9" rx="1.5" />
    <path d="M12.5 4.5V4A1.5 1.5 0 0 0 11 2.5H4A1.5 1.5 0 0 0 2.5 4v7A1.5 1.5 0 0 0 4 12.5h.5" />
  </>,
)
export const UpVoteIcon = icon(<path d="M10 3.5 16 10h-3.5v6h-5v-6H4z" />)
export const DownVoteIcon = icon(<path d="M10 16.5 4 10h3.5V4h5v6H16z" />)
export const TopIcon = icon(<path d="M4 16v-5M10 16V4M16 16V8" />)
export const CloseIcon = icon(<path d="m5 5 10 10M15 5 5 15" />)
export const PeopleIcon = icon(
  <>
    <circle cx="8" cy="7" r="3" />
    <path d="M2.5 16.5c.5-3 2.7-4.5 5.5-4.5s5 1.5 5.5 4.5M13 4.3a3 3 0 0 1 0 5.4M14.5 12.2c1.7.600 2.7 2 3 4.3" />
  </>,
)
export const SearchIcon = icon(
  <>
    <circle cx="9" cy="9" r="5.5" />
    <path d="m13 13 4 4" />
  </>,
)
export const SendIcon = icon(<path d="M3.5 10h6M3.5 10 2.8 4.3 17 10 2.8 15.7z" />)
export const MoreIcon = icon(
  <g fill="currentColor">
    <circle cx="4.5" cy="10" r="0.8" />
    <circle cx="10" cy="10" r="0.8" />
    <circle cx="15.5" cy="10" r="0.8" />
  </g>,
)
export const LeaveIcon = icon(
  <path d="M8 3.5H5a1.5 1.5 0 0 0-1.5 1.5v10A1.5 1.5 0 0 0 5 16.5h3M12.5 6.5 16 10l-3.5 3.5M16 10H8" />,
)
export const DropIcon = icon(<path d="M4 6h12M8 6V4.5h4V6M6 6l.700 10h6.6L14 6" />)
