import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { Wordmark } from '@/shared/ui/logo'

export function AuthCard({ title, children, footer }: { title: string; children: ReactNode; footer: ReactNode }) {
  return (
    <main className="flex min-h-full flex-col items-center px-4 py-8 md:py-16">
      <Link to="/" className="mb-8 flex min-h-11 items-center rounded-lg px-1 md:mb-10">
        <Wordmark />
      </Link>
      <div className="w-full max-w-[400px] rounded-2xl border border-line bg-raised p-6 md:p-8">
        <h1 className="mb-6 font-display text-xl font-semibold">{title}</h1>
        {children}
      </div>
      <p className="mt-6 text-sm text-soft">{footer}</p>
    </main>
  )
}
