import { sentenceOf } from '@/shared/api/problem'
import { fullTime, shortDate } from '@/shared/text/time'
import { neutral } from '@/shared/text/tokens'
import { Button } from '@/shared/ui/button'
import { type Session, useRevokeSession } from './api/sessions'

export function SessionRow({ session }: { session: Session }) {
  const revoke = useRevokeSession()
  const name = session.agent ? neutral(session.agent) : 'Unknown program'
  return (
    <li className="flex items-center gap-4 py-3">
      <div className="min-w-0 flex-1">
        <p className="truncate font-semibold">{name}</p>
        <p className="text-sm text-soft">
          {session.current ? (
            'This device'
          ) : (
            <>
              Active <When at={session.last_seen_at} />
            </>
          )}
          {' · signed in '}
          <When at={session.created_at} />
        </p>
        {revoke.error ? (
          <p role="alert" className="text-sm text-danger">
            {sentenceOf(revoke.error)}
          </p>
        ) : null}
      </div>
      {session.current ? null : (
        <Button
          look="quiet"
          aria-label={`Sign out ${name}`}
          busy={revoke.isPending}
          onClick={() => revoke.mutate(session.id)}
        >
          Sign out
        </Button>
      )}
    </li>
  )
}

function When({ at }: { at: string }) {
  const time = Date.parse(at)
  return (
    <time dateTime={at} title={fullTime(time)}>
      {shortDate(time, Date.now())}
    </time>
  )
}
