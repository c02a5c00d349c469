import { formErrors, textOf } from '@/shared/api/form'
import { Button } from '@/shared/ui/button'
import { Field, FormError } from '@/shared/ui/field'
import { useSignIn } from './api/sign-in'

export function SignInForm({ onDone }: { onDone(): void }) {
  const signIn = useSignIn()
  const errors = formErrors(signIn.error, ['user_name', 'password'])

  function submit(data: FormData) {
    const body = { user_name: textOf(data, 'user_name').trim().toLowerCase(), password: textOf(data, 'password') }
    signIn.mutate(body, { onSuccess: onDone })
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
        error={errors.fields.user_name}
      />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        error={errors.fields.password}
      />
      <Button type="submit" busy={signIn.isPending} className="mt-2">
        {signIn.isPending ? 'Signing in…' : 'Sign in'}
      </Button>
    </form>
  )
}
