import { useQuery } from '@tanstack/react-query'
import { Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router'
import { ConnectionBanner } from '@/features/connection/connection-banner'
import { forgetDrafts } from '@/features/conversation/drafts'
import { focusComposer } from '@/features/conversation/focus-composer'
import { DebugPanel } from '@/features/debug/debug-panel'
import { toggleDebugPanel, useDebugPanelKey, useDebugPanelShown } from '@/features/debug/shown'
import { ProfileMenu } from '@/features/profile/profile-menu'
import { Sidebar } from '@/features/rooms/sidebar'
import type { User } from '@/shared/api/types'
import { LiveContext } from '@/shared/live/context'
import { meQuery } from '@/shared/session/me'
import { Spinner } from '@/shared/ui/states'
import { openHelp, openSwitcher, Shortcuts } from './shortcuts'
import { TitleBadge } from './title'
import { useLeaveSession, useLiveSession, useSessionEnd } from './use-live-session'

export function Shell() {
  const me = useQuery(meQuery)
  return me.data ? <SignedIn me={me.data.user} /> : <Waiting />
}

function SignedIn({ me }: { me: User }) {
  const live = useLiveSession(me)
  const leave = useLeaveSession()
  useSessionEnd(live, leave)
  if (!live) return <Waiting />
  return (
    <LiveContext value={live}>
      <div className="flex h-dvh flex-col">
        <ConnectionBanner />
        <Panes
          onSignedOut={() => {
            forgetDrafts(me.id)
            leave(false)
          }}
        />
        <Debug />
        <TitleBadge />
        <Shortcuts />
      </div>
    </LiveContext>
  )
}

/** Two panes side by side, or one at a time where there is no room for two. */
function Panes({ onSignedOut }: { onSignedOut(): void }) {
  const atList = useLocation({ select: (location) => location.pathname.replace(/\/$/, '') === '/rooms' })
  const navigate = useNavigate()
  const footer = (
    <ProfileMenu
      onSignedOut={onSignedOut}
      onSettings={() => void navigate({ to: '/settings' })}
      onHelp={openHelp}
      onDebug={toggleDebugPanel}
    />
  )
  return (
    <main className="flex min-h-0 flex-1">
      <div className={`w-full shrink-0 border-line md:block md:w-[264px] md:border-r ${atList ? '' : 'hidden'}`}>
        <Sidebar onSwitch={openSwitcher} footer={footer} />
      </div>
      <div className={`min-w-0 flex-1 md:block ${atList ? 'hidden' : ''}`}>
        <Outlet />
      </div>
    </main>
  )
}

function Debug() {
  const { roomId } = useParams({ strict: false })
  useDebugPanelKey()
  if (!useDebugPanelShown()) return null
  return (
    <DebugPanel
      room={roomId}
      onClose={() => {
        toggleDebugPanel()
        focusComposer()
      }}
    />
  )
}

function Waiting() {
  return (
    <div className="flex h-dvh items-center justify-center">
      <Spinner label="Opening Parley" />
    </div>
  )
}
