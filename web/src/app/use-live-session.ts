import { useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { roomKeys } from '@/features/rooms/api/keys'
import { myRoomsQuery } from '@/features/rooms/api/my-rooms'
import type { User } from '@/shared/api/types'
import { createLive, type Live } from '@/shared/live/live'
import { hintSignedIn } from '@/shared/session/me'
import { onSessionEnded } from './query-client'
import { useListedRooms } from './use-listed-rooms'

/** Runs the live connection for as long as the signed-in part of the app is shown. */
export function useLiveSession(me: User): Live | null {
  const client = useQueryClient()
  const [live, setLive] = useState<Live | null>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed profile is the same person, only the account decides
  useEffect(() => {
    let over = false
    const starting = createLive(me, {
      onRoomsChanged: (room) => {
        void client.invalidateQueries({ queryKey: room ? roomKeys.one(room) : roomKeys.all })
        if (room) void client.invalidateQueries({ queryKey: roomKeys.members(room) })
      },
      onActivity: (room) => {
        const known = client
          .getQueryData(myRoomsQuery.queryKey)
          ?.pages.some((page) => page.items.some((r) => r.id === room))
        if (known === false) void client.invalidateQueries({ queryKey: roomKeys.mine })
      },
    })
    void starting.then((made) => {
      if (!over) setLive(made)
    })
    return () => {
      over = true
      setLive(null)
      void starting.then((made) => made.stop())
    }
  }, [client, me.id])
  useListedRooms(live)
  return live
}

export function useLeaveSession() {
  const client = useQueryClient()
  const router = useRouter()
  return useCallback(
    (back: boolean) => {
      hintSignedIn(false)
      const search = back ? { next: router.state.location.href, ended: true as const } : {}
      void router.navigate({ to: '/sign-in', search }).then(() => client.clear())
    },
    [client, router],
  )
}

/** Whoever notices first, the socket or a request: the person is asked to sign in, and comes back here. */
export function useSessionEnd(live: Live | null, leave: (back: boolean) => void) {
  useEffect(() => onSessionEnded(() => leave(true)), [leave])
  useEffect(() => live?.connection.subscribe((state) => state.ended === 'signed-out' && leave(true)), [live, leave])
}
