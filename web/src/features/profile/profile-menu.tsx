import { useState } from 'react'
import { useStore } from 'zustand'
import { sentenceOf } from '@/shared/api/problem'
import { useLive, useOutbox, usePerson } from '@/shared/live/context'
import { setTheme, themeStore } from '@/shared/theme/theme'
import { Avatar } from '@/shared/ui/avatar'
import { ChevronIcon } from '@/shared/ui/icons'
import { Menu, MenuItem, MenuLine, MenuRadio } from '@/shared/ui/menu'
import { useSignOut } from './api/sign-out'
import { ProfileDialog } from './profile-dialog'
import { SignOutDialog } from './sign-out-dialog'

const themes = [
  ['light', 'Light'],
  ['dark', 'Dark'],
  ['system', 'As the system'],
] as const

const isMac = /Mac|iP/.test(navigator.platform)
const debugKeys = isMac ? '⌘⇧.' : 'Ctrl+Shift+.'
const helpKeys = isMac ? '⌘/' : 'Ctrl+/'

interface Props {
  onSignedOut(): void
  onSettings(): void
  onHelp(): void
  onDebug(): void
}

export function ProfileMenu({ onSignedOut, onSettings, onHelp, onDebug }: Props) {
  const live = useLive()
  const me = usePerson(live.me.id) ?? live.me
  const theme = useStore(themeStore, (state) => state.theme)
  const unsent = useOutbox().filter((entry) => entry.state !== 'accepted' && !entry.vote).length
  const [dialog, setDialog] = useState<'profile' | 'sign-out' | null>(null)
  const signOut = useSignOut(() => {
    live.clearOutbox()
    onSignedOut()
  })

  return (
    <>
      <Menu
        side="top"
        align="start"
        trigger={<Trigger name={me.display_name} status={me.status_text ?? ''} color={me.color} />}
      >
        <MenuItem onSelect={() => setDialog('profile')}>Edit profile</MenuItem>
        <MenuItem onSelect={onSettings}>Settings</MenuItem>
        <MenuLine />
        <MenuRadio label="Theme" value={theme} options={themes} onChange={setTheme} />
        <MenuLine />
        <MenuItem onSelect={onHelp} keys={helpKeys}>
          Keyboard shortcuts
        </MenuItem>
        <MenuItem onSelect={onDebug} keys={debugKeys}>
          Connection details
        </MenuItem>
        <MenuItem onSelect={() => (unsent > 0 ? setDialog('sign-out') : signOut.mutate())}>Sign out</MenuItem>
      </Menu>
      {signOut.error ? (
        <p role="alert" className="px-3 pb-3 text-sm text-danger">
          {sentenceOf(signOut.error)}
        </p>
      ) : null}
      <ProfileDialog me={me} open={dialog === 'profile'} onOpenChange={(open) => setDialog(open ? 'profile' : null)} />
      <SignOutDialog
        unsent={unsent}
        open={dialog === 'sign-out'}
        onOpenChange={(open) => setDialog(open ? 'sign-out' : null)}
        onConfirm={() => {
          setDialog(null)
          signOut.mutate()
        }}
      />
    </>
  )
}

function Trigger({ name, status, color, ...rest }: { name: string; status: string; color: string }) {
  return (
    <button
      type="button"
      className="flex min-h-14 w-full items-center gap-2.5 border-t border-line px-3 text-left transition-colors hover:bg-hover"
      {...rest}
    >
      <span className="sr-only">Your menu,</span>
      <Avatar name={name} color={color} />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-semibold">{name}</span>
        {status ? <span className="block truncate text-xs text-soft">{status}</span> : null}
      </span>
      <ChevronIcon size={16} className="rotate-180 text-soft" />
    </button>
  )
}
