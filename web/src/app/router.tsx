import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { Problem } from '@/shared/api/problem'
import { hintSignedIn, mayBeSignedIn, meQuery } from '@/shared/session/me'
import { safeNext } from '@/shared/session/next'
import { LandingPage } from './pages/landing-page'
import { NotFoundPage, RouteErrorPage } from './pages/not-found-page'
import { SignInPage } from './pages/sign-in-page'
import { SignUpPage } from './pages/sign-up-page'
import { queryClient } from './query-client'

const rootRoute = createRootRoute({ notFoundComponent: NotFoundPage, errorComponent: RouteErrorPage })

/** Who is signed in, or null. Anything but a clear no is an error: an outage must not look like a sign-out. */
async function whoAmI() {
  try {
    const me = await queryClient.ensureQueryData(meQuery)
    hintSignedIn(true)
    return me
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) throw error
    hintSignedIn(false)
    return null
  }
}

interface Search {
  next?: string
  /** The session ended without being asked to end here: the page says so. */
  ended?: true
}

const search = (raw: Record<string, unknown>): Search => ({
  ...(raw.next ? { next: safeNext(raw.next) } : {}),
  ...(raw.ended ? { ended: true as const } : {}),
})

async function onlySignedOut({ search: { next } }: { search: { next?: string } }) {
  if (mayBeSignedIn() && (await whoAmI().catch(() => null))) throw redirect({ href: safeNext(next) })
}

const landingRoute = createRoute({ getParentRoute: () => rootRoute, path: '/', component: LandingPage })

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: search,
  beforeLoad: onlySignedOut,
  component: SignInPage,
})

const signUpRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-up',
  validateSearch: search,
  beforeLoad: onlySignedOut,
  component: SignUpPage,
})

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  beforeLoad: async ({ location }) => {
    if (!(await whoAmI())) throw redirect({ to: '/sign-in', search: { next: location.href } })
  },
  component: lazyRouteComponent(() => import('./shell'), 'Shell'),
  errorComponent: RouteErrorPage,
})

const roomsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/rooms',
  component: lazyRouteComponent(() => import('./pages/rooms-page'), 'RoomsPage'),
})

const directoryRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/rooms/directory',
  component: lazyRouteComponent(() => import('./pages/directory-page'), 'DirectoryPage'),
})

const roomRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/rooms/$roomId',
  component: lazyRouteComponent(() => import('./pages/room-page'), 'RoomPage'),
})

const settingsRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings-page'), 'SettingsPage'),
})

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    landingRoute,
    signInRoute,
    signUpRoute,
    shellRoute.addChildren([roomsRoute, directoryRoute, roomRoute, settingsRoute]),
  ]),
  defaultPreload: false,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
