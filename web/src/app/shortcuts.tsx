import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { focusComposer } from '@/features/conversation/focus-composer'
import { myRoomsQuery } from '@/features/rooms/api/my-rooms'
import { sortRooms } from '@/features/rooms/sort-rooms'
import { noteRoom } from '@/features/switcher/recent'
import { useLive } from '@/shared/live/context'
import { unreadOf } from '@/shared/live/reads'
import { type Command, commandOf, neighbour } from './keys'
import { nextRegion } from './regions'
import { RoomSwitcher } from './room-switcher'

const HelpDialog = lazy(() => import('@/features/help/help-dialog').then((module) => ({ default: module.HelpDialog })))

/** Asked for by a button; the keys do the same. */
export const openSwitcher = () => window.dispatchEvent(new Event('parley:switch'))
export const openHelp = () => window.dispatchEvent(new Event('parley:help'))

export function Shortcuts() {
  const live = useLive()
  const navigate = useNavigate()
  const { roomId } = useParams({ strict: false })
  const rooms = useInfiniteQuery(myRoomsQuery)
  const [shown, setShown] = useState<'switch' | 'help' | null>(null)
  const me = live.me.id

  useEffect(() => {
    if (roomId) noteRoom(me, roomId)
  }, [me, roomId])

  function go(room: string) {
    setShown(null)
    void navigate({ to: '/rooms/$roomId', params: { roomId: room } }).then(() => requestAnimationFrame(focusComposer))
  }

  function run(command: Command) {
    if (command.do === 'switch' || command.do === 'help') return setShown(command.do)
    if (command.do === 'region') return nextRegion(command.step)
    const reads = live.reads.getState().rooms
    const sorted = sortRooms(rooms.data ?? [], live.activity.getState().rooms)
    const listed = sorted.map(({ id }) => ({ id, unread: unreadOf(reads[id]) > 0 }))
    const next = neighbour(listed, roomId, command.step, command.unread)
    if (next) go(next)
  }

  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const command = event.isComposing ? null : commandOf(event)
      if (!command || (document.querySelector('[role="dialog"]') && command.do !== 'switch')) return
      event.preventDefault()
      latest.current(command)
    }
    const onSwitch = () => setShown('switch')
    const onHelp = () => setShown('help')
    window.addEventListener('keydown', onKey)
    window.addEventListener('parley:switch', onSwitch)
    window.addEventListener('parley:help', onHelp)
    return () => {
      window.removeEventListener('keydown', onKey)
      window.removeEventListener('parley:switch', onSwitch)
      window.removeEventListener('parley:help', onHelp)
    }
  }, [])

  if (!shown) return null
  return (
    <Suspense fallback={null}>
      {shown === 'switch' ? (
        <RoomSwitcher
          current={roomId}
          onGo={go}
          onDirectory={() => {
            setShown(null)
            void navigate({ to: '/rooms/directory' })
          }}
          onClose={() => setShown(null)}
        />
      ) : (
        <HelpDialog onClose={() => setShown(null)} />
      )}
    </Suspense>
  )
}
