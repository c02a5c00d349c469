import { useQuery } from '@tanstack/react-query'
import { sentenceOf } from '@/shared/api/problem'
import { Button } from '@/shared/ui/button'
import { FormError } from '@/shared/ui/field'
import { ListEnd } from '@/shared/ui/list-end'
import { Failed, Skeleton } from '@/shared/ui/states'
import { sessionsQuery, useRevokeOthers } from './api/sessions'
import { SessionRow } from './session-row'

export function Sessions() {
  const sessions = useQuery(sessionsQuery)
  if (sessions.isPending) return <Skeleton rows={2} label="Loading your sessions" />
  if (sessions.isLoadingError) {
    return (
      <Failed
        what="Your sessions did not load"
        why={sentenceOf(sessions.error)}
        onRetry={() => void sessions.refetch()}
      />
    )
  }
  // The one that is looked at comes first; the others as the server has them, last active first.
  const rows = sessions.data.toSorted((a, b) => Number(b.current) - Number(a.current))
  return (
    <>
      <ul className="divide-y divide-line border-y border-line">
        {rows.map((session) => (
          <SessionRow key={session.id} session={session} />
        ))}
      </ul>
      <ListEnd of={sessions} />
      {rows.length > 1 ? <EverywhereElse /> : <p className="mt-3 text-sm text-soft">You are signed in nowhere else.</p>}
    </>
  )
}

function EverywhereElse() {
  const revoke = useRevokeOthers()
  return (
    <div className="mt-4 flex flex-col items-start gap-3">
      <FormError text={revoke.error ? sentenceOf(revoke.error) : null} />
      <Button look="danger" busy={revoke.isPending} onClick={() => revoke.mutate()}>
        Sign out everywhere else
      </Button>
    </div>
  )
}
