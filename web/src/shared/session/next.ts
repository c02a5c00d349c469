const HERE = 'http://here.invalid'

/** Where to go after signing in: a path of ours, never another site's (`//evil`, `/\evil`). */
export function safeNext(next: unknown): string {
  if (typeof next !== 'string' || !next.startsWith('/')) return '/rooms'
  // Parsed as the browser would, so that no spelling of another origin gets past.
  const url = URL.canParse(next, HERE) ? new URL(next, HERE) : null
  return url?.origin === HERE ? url.pathname + url.search + url.hash : '/rooms'
}
