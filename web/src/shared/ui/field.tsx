import { type ComponentProps, useId } from 'react'
import { AlertIcon } from './icons'

interface Props extends ComponentProps<'input'> {
  label: string
  hint?: string
  error?: string | null
}

export const inputClass =
  'w-full min-h-11 rounded-lg border border-edge bg-raised px-3 text-[16px] text-ink outline-offset-0 md:min-h-10 md:text-base'

export function Field({ label, hint, error, className = '', ...rest }: Props) {
  const id = useId()
  const about = error ? `${id}-error` : hint ? `${id}-hint` : undefined
  return (
    <div className={`flex flex-col gap-1.5 ${className}`}>
      <label htmlFor={id} className="text-sm font-semibold">
        {label}
      </label>
      <input
        id={id}
        aria-invalid={error ? true : undefined}
        aria-describedby={about}
        className={`${inputClass} ${error ? 'border-danger' : ''}`}
        {...rest}
      />
      {error ? <FieldError id={`${id}-error`} text={error} /> : null}
      {hint && !error ? (
        <p id={`${id}-hint`} className="text-xs text-soft">
          {hint}
        </p>
      ) : null}
    </div>
  )
}

function FieldError({ id, text }: { id: string; text: string }) {
  return (
    <p id={id} className="flex items-start gap-1.5 text-sm text-danger">
      <AlertIcon size={16} className="mt-0.5" />
      {text}
    </p>
  )
}

/** What is wrong with the whole form, announced when it appears. */
export function FormError({ text }: { text: string | null }) {
  return (
    <div role="alert" className="empty:hidden">
      {text ? (
        <p className="flex items-start gap-2 rounded-lg bg-danger-wash px-3 py-2 text-sm text-danger">
          <AlertIcon size={16} className="mt-0.5" />
          {text}
        </p>
      ) : null}
    </div>
  )
}
