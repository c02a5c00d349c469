import { Link, useSearch } from '@tanstack/react-router'
import { AuthCard } from '@/features/auth/auth-card'
import { SignInForm } from '@/features/auth/sign-in-form'
import { useTitle } from '../title'
import { useSignedIn } from '../use-signed-in'

export function SignInPage() {
  useTitle('Sign in')
  const { next, ended } = useSearch({ from: '/sign-in' })
  const done = useSignedIn(next)
  return (
    <AuthCard
      title="Sign in"
      footer={
        <>
          New here?{' '}
          <Link to="/sign-up" search={{ next }} className="font-semibold text-link underline underline-offset-2">
            Create an account
          </Link>
        </>
      }
    >
      {ended ? <Ended /> : null}
      <SignInForm onDone={done} />
    </AuthCard>
  )
}

function Ended() {
  return (
    <p role="status" className="mb-5 rounded-lg bg-notice px-3 py-2 text-sm text-on-notice">
      You were signed out on this device: its session has ended, or was ended from another one. Sign in to go on where
      you were.
    </p>
  )
}
