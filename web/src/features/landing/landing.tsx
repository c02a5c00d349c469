import { Link } from '@tanstack/react-router'
import { buttonClass } from '@/shared/ui/button'
import { Wordmark } from '@/shared/ui/logo'
import { LogFigure } from './log-figure'

const points = [
  {
    title: 'Nothing lost, nothing twice',
    text: 'A message has one identity from the moment you press Enter. Sending it again after a broken connection never makes a second copy.',
  },
  {
    title: 'Comes back exactly',
    text: 'Close the lid, change networks, open it again. The conversation goes on at the position where you left it, edits included.',
  },
  {
    title: 'Honest about the rest',
    text: 'Pending, accepted, stored, refused: every message says which. What could not be sent stays with you until you decide.',
  },
]

export function Landing({ signedIn }: { signedIn: boolean }) {
  return (
    <div className="mx-auto flex min-h-full max-w-[1080px] flex-col px-5 md:px-8">
      <header className="flex items-center justify-between py-5">
        <Wordmark />
        <nav aria-label="Account" className="flex items-center gap-2">
          {signedIn ? null : (
            <Link to="/sign-in" className={buttonClass('quiet')}>
              Sign in
            </Link>
          )}
        </nav>
      </header>
      <main className="flex-1">
        <Opening signedIn={signedIn} />
        <ul className="grid gap-8 border-t border-line py-12 md:grid-cols-3 md:gap-10 md:py-16">
          {points.map((point) => (
            <li key={point.title}>
              <h2 className="mb-1.5 font-semibold">{point.title}</h2>
              <p className="text-soft">{point.text}</p>
            </li>
          ))}
        </ul>
      </main>
      <footer className="border-t border-line py-6 text-sm text-soft">Parley: one log, one conversation.</footer>
    </div>
  )
}

function Opening({ signedIn }: { signedIn: boolean }) {
  return (
    <section className="grid items-center gap-10 py-10 md:grid-cols-[1.1fr_1fr] md:gap-14 md:py-20">
      <div>
        <h1 className="font-display text-3xl font-semibold tracking-tight">
          {['One log.', 'One order.', 'One conversation.'].map((line) => (
            <span key={line} className="block">
              {line}{' '}
            </span>
          ))}
        </h1>
        <p className="mt-5 max-w-[46ch] text-lg text-soft">
          Parley writes every message to a single ordered log. What arrives live on your screen and what is kept for
          later are two projections of it, so everybody reads the same conversation, in the same order.
        </p>
        <div className="mt-8 flex flex-wrap gap-3">
          <Link to={signedIn ? '/rooms' : '/sign-up'} className={`${buttonClass('primary')} px-5`}>
            {signedIn ? 'Open Parley' : 'Create account'}
          </Link>
          {signedIn ? null : (
            <Link to="/sign-in" className={`${buttonClass('quiet')} px-5`}>
              Sign in
            </Link>
          )}
        </div>
      </div>
      <LogFigure />
    </section>
  )
}
