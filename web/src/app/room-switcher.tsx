import { useInfiniteQuery } from '@tanstack/react-query'
import { lazy, useEffect } from 'react'
import { myRoomsQuery } from '@/features/rooms/api/my-rooms'
import { recentRooms } from '@/features/switcher/recent'
import { useLive } from '@/shared/live/context'

const QuickSwitcher = lazy(() =>
  import('@/features/switcher/quick-switcher').then((module) => ({ default: module.QuickSwitcher })),
)

interface Props {
  current: string | undefined
  onGo(room: string): void
  onDirectory(): void
  onClose(): void
}

/** Looks among all of my rooms: while it is open it fetches what the list on the left does not show yet. */
export function RoomSwitcher({ current, ...rest }: Props) {
  const live = useLive()
  const { data, isError, isFetching, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery(myRoomsQuery)
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage()
  }, [hasNextPage, isFetching, isError, fetchNextPage])
  const complete = data !== undefined && !hasNextPage
  const failed = isError && !isFetching
  return (
    <QuickSwitcher
      rooms={data ?? []}
      missing={complete ? null : failed ? 'failed' : 'loading'}
      recent={recentRooms(live.me.id).filter((id) => id !== current)}
      onRetry={() => void (data ? fetchNextPage() : refetch())}
      {...rest}
    />
  )
}
