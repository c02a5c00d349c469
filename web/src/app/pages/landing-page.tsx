import { Landing } from '@/features/landing/landing'
import { mayBeSignedIn } from '@/shared/session/me'
import { useTitle } from '../title'

export function LandingPage() {
  useTitle(null)
  return <Landing signedIn={mayBeSignedIn()} />
}
