import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router'
import { sentenceOf } from '@/shared/api/problem'
import { buttonClass } from '@/shared/ui/button'
import { Wordmark } from '@/shared/ui/logo'
import { Failed, Notice } from '@/shared/ui/states'
import { useTitle } from '../title'

export function NotFoundPage() {
  useTitle('Not found')
  return (
    <main className="flex flex-col items-center px-4 py-8 md:py-16">
      <Link to="/" className="flex min-h-11 items-center rounded-lg px-1">
        <Wordmark />
      </Link>
      <Notice
        heading="h1"
        title="There is nothing here"
        action={
          <Link to="/" className={buttonClass('quiet')}>
            Go to the start
          </Link>
        }
      >
        The address may be mistyped, or the page has moved.
      </Notice>
    </main>
  )
}

export function RouteErrorPage({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  return (
    <main className="pt-[12vh]">
      <Failed
        heading="h1"
        what="This did not load"
        why={sentenceOf(error)}
        onRetry={() => {
          reset()
          void router.invalidate()
        }}
      />
    </main>
  )
}
