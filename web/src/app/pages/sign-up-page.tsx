import { Link, useSearch } from '@tanstack/react-router'
import { AuthCard } from '@/features/auth/auth-card'
import { SignUpForm } from '@/features/auth/sign-up-form'
import { useTitle } from '../title'
import { useSignedIn } from '../use-signed-in'

export function SignUpPage() {
  useTitle('Create account')
  const { next } = useSearch({ from: '/sign-up' })
  const done = useSignedIn(next)
  return (
    <AuthCard
      title="Create your account"
      footer={
        <>
          Already have one?{' '}
          <Link to="/sign-in" search={{ next }} className="font-semibold text-link underline underline-offset-2">
            Sign in
          </Link>
        </>
      }
    >
      <SignUpForm onDone={done} />
    </AuthCard>
  )
}
