import { sentenceOf } from '../api/problem'
import { Button } from './button'

/** What a query says of its list, in pages or not. */
interface Listed {
  isError: boolean
  error: unknown
  isFetching: boolean
  refetch(): unknown
  hasNextPage?: boolean
  isFetchingNextPage?: boolean
  isFetchNextPageError?: boolean
  fetchNextPage?(): unknown
}

interface Props {
  of: Listed
  /** On the button for the next page. */
  more?: string
}

/** Below a list: the way to more of it, or why it could not be brought up to date. What was loaded stays. */
export function ListEnd({ of, more }: Props) {
  const next = () => void of.fetchNextPage?.()
  if (of.isError) {
    return (
      <p role="alert" className="flex flex-wrap items-center justify-center gap-x-3 px-2.5 py-2 text-sm text-soft">
        <span>{sentenceOf(of.error)}</span>
        <Button
          look="plain"
          busy={of.isFetching}
          className="underline underline-offset-2"
          onClick={of.isFetchNextPageError ? next : () => void of.refetch()}
        >
          Try again
        </Button>
      </p>
    )
  }
  if (!of.hasNextPage) return null
  return (
    <Button look="plain" busy={of.isFetchingNextPage} className="my-2 w-full text-soft" onClick={next}>
      {more}
    </Button>
  )
}
