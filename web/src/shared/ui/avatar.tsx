import { initials } from '../text/initials'

const sizes = { sm: 'size-6 text-[10px] rounded-md', md: 'size-9 text-sm rounded-lg' }

/** Decoration: the name always stands beside it. */
export function Avatar({ name, color, size = 'md' }: { name: string; color?: string; size?: keyof typeof sizes }) {
  const fill = color && /^#[0-9a-f]{6}$/i.test(color) ? color : '#6b6f66'
  return (
    <span
      aria-hidden="true"
      className={`inline-flex shrink-0 items-center justify-center font-semibold select-none ${sizes[size]}`}
      style={{ backgroundColor: fill, color: readableOn(fill) }}
    >
      {initials(name)}
    </span>
  )
}

/** People choose their colour, so the letters choose theirs: whichever of the two contrasts more. */
export function readableOn(hex: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255))
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
  return 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.058 ? '#ffffff' : '#161816'
}

function linear(channel: number): number {
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4
}
