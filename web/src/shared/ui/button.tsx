import type { ComponentProps } from 'react'

const looks = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong',
  quiet: 'border border-line bg-raised text-ink hover:bg-hover',
  plain: 'text-ink hover:bg-hover',
  danger: 'border border-danger/40 text-danger hover:bg-danger-wash',
}

interface Props extends ComponentProps<'button'> {
  look?: keyof typeof looks
  busy?: boolean
}

export const buttonClass = (look: keyof typeof looks = 'primary') =>
  `inline-flex min-h-11 items-center justify-center gap-2 rounded-lg px-4 text-sm font-semibold transition-colors select-none md:min-h-9 ${looks[look]}`

/** While busy it keeps its place and its focus, but does nothing. */
export function Button({ look = 'primary', busy = false, className = '', type = 'button', onClick, ...rest }: Props) {
  return (
    <button
      type={busy ? 'button' : type}
      aria-disabled={busy || undefined}
      onClick={busy ? undefined : onClick}
      className={`${buttonClass(look)} disabled:opacity-50 aria-disabled:opacity-60 ${className}`}
      {...rest}
    />
  )
}

interface IconButtonProps extends ComponentProps<'button'> {
  label: string
}

export function IconButton({ label, className = '', children, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={`inline-flex size-11 shrink-0 items-center justify-center rounded-lg text-soft transition-colors hover:bg-hover hover:text-ink disabled:opacity-40 md:size-8 ${className}`}
      {...rest}
    >
      {children}
    </button>
  )
}
