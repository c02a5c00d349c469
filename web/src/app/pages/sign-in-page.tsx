import { Link, useSearch } from '@tanstack/react-router'
import { AuthCard } from '@/features/auth/auth-card'
import { SignInForm } from '@/features/auth/sign-in-form'
import { useTitle } from '../title'
import { useSignedIn } from '../use-signed-in'

export function SignInPage() {
  useTitle('Sign in')
  const { next } = useSearch({ from: '/sign-in' })
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
      <SignInForm onDone={done} />
    </AuthCard>
  )
}
