import { useState } from 'react'
import { formErrors, textOf } from '@/shared/api/form'
import { Button } from '@/shared/ui/button'
import { Field, FormError } from '@/shared/ui/field'
import { CheckIcon } from '@/shared/ui/icons'
import { useChangePassword } from './api/change-password'

export function PasswordForm() {
  const change = useChangePassword()
  const [differ, setDiffer] = useState(false)
  const errors = formErrors(change.error, ['current_password', 'new_password'])

  function submit(form: HTMLFormElement) {
    const data = new FormData(form)
    const body = { current_password: textOf(data, 'current_password'), new_password: textOf(data, 'new_password') }
    const typedTwice = body.new_password === textOf(data, 'repeated')
    setDiffer(!typedTwice)
    if (typedTwice) change.mutate(body, { onSuccess: () => form.reset() })
    else change.reset()
  }

  return (
    <form
      className="flex max-w-[400px] flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        submit(event.currentTarget)
      }}
    >
      <FormError text={errors.form} />
      <Field
        label="Current password"
        name="current_password"
        type="password"
        autoComplete="current-password"
        required
        error={errors.fields.current_password}
      />
      <Field
        label="New password"
        name="new_password"
        type="password"
        autoComplete="new-password"
        required
        hint="A few words that only you would put together are easiest to remember."
        error={errors.fields.new_password}
      />
      <Field
        label="New password again"
        name="repeated"
        type="password"
        autoComplete="new-password"
        required
        error={differ ? 'The two new passwords differ.' : null}
      />
      <div className="mt-2 flex flex-wrap items-center gap-3">
        <Button type="submit" busy={change.isPending}>
          {change.isPending ? 'Changing…' : 'Change password'}
        </Button>
        <Done ended={change.data?.ended} />
      </div>
    </form>
  )
}

function Done({ ended }: { ended: number | undefined }) {
  return (
    <p role="status" className="flex items-center gap-1.5 text-sm text-soft empty:hidden">
      {ended === undefined ? null : (
        <>
          <CheckIcon size={16} className="text-accent" />
          Changed. {elsewhere(ended)}
        </>
      )}
    </p>
  )
}

function elsewhere(ended: number): string {
  if (ended === 0) return 'You were signed in nowhere else.'
  return ended === 1 ? 'One other session was signed out.' : `${ended} other sessions were signed out.`
}
