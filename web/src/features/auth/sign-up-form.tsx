import { formErrors, textOf } from '@/shared/api/form'
import { Button } from '@/shared/ui/button'
import { Field, FormError } from '@/shared/ui/field'
import { useSignUp } from './api/sign-up'

export function SignUpForm({ onDone }: { onDone(): void }) {
  const signUp = useSignUp()
  const errors = formErrors(signUp.error, ['user_name', 'password', 'display_name'])

  function submit(data: FormData) {
    const displayName = textOf(data, 'display_name').trim()
    const body = {
      user_name: textOf(data, 'user_name').trim().toLowerCase(),
      password: textOf(data, 'password'),
      ...(displayName && { display_name: displayName }),
    }
    signUp.mutate(body, { onSuccess: onDone })
  }

  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        submit(new FormData(event.currentTarget))
      }}
    >
      <FormError text={errors.form} />
      <Field
        label="User name"
        name="user_name"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        required
        hint="Small letters, digits, dot, dash and underscore; 2 to 32."
        error={errors.fields.user_name}
      />
      <Field
        label="Display name"
        name="display_name"
        autoComplete="name"
        hint="Optional. How your name is shown to others."
        error={errors.fields.display_name}
      />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="new-password"
        required
        hint="A few words that only you would put together are easiest to remember."
        error={errors.fields.password}
      />
      <Button type="submit" busy={signUp.isPending} className="mt-2">
        {signUp.isPending ? 'Creating your account…' : 'Create account'}
      </Button>
    </form>
  )
}
