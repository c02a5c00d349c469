import type { ReactNode } from 'react'
import { PaneHeader } from '@/shared/ui/pane-header'
import { PasswordForm } from './password-form'
import { Sessions } from './sessions'

export function Settings() {
  return (
    <section aria-labelledby="settings-title" className="flex h-full flex-col">
      <PaneHeader>
        <h1 id="settings-title" className="font-semibold">
          Settings
        </h1>
      </PaneHeader>
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto flex max-w-[720px] flex-col gap-10 px-4 py-6 md:px-6">
          <Part title="Where you are signed in" about="End what you do not recognise or no longer use.">
            <Sessions />
          </Part>
          <Part title="Password" about="A new password signs you out everywhere else. This device stays signed in.">
            <PasswordForm />
          </Part>
        </div>
      </div>
    </section>
  )
}

function Part({ title, about, children }: { title: string; about: string; children: ReactNode }) {
  return (
    <section>
      <h2 className="text-lg font-semibold">{title}</h2>
      <p className="mt-0.5 mb-4 text-sm text-soft">{about}</p>
      {children}
    </section>
  )
}
