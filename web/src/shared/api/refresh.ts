export type RefreshOutcome = 'ok' | 'ended' | 'later'

let underWay: Promise<RefreshOutcome> | null = null

/** Refresh tokens rotate: two refreshes at once would look like a stolen token, so tabs take turns. */
export function refreshSession(): Promise<RefreshOutcome> {
  underWay ??= takeTurn().finally(() => {
    underWay = null
  })
  return underWay
}

async function takeTurn(): Promise<RefreshOutcome> {
  return navigator.locks ? navigator.locks.request('parley.refresh', post) : post()
}

async function post(): Promise<RefreshOutcome> {
  try {
    const response = await fetch('/api/v1/auth/refresh', {
      method: 'POST',
      credentials: 'same-origin',
      signal: AbortSignal.timeout(15_000),
    })
    if (response.ok) return 'ok'
    return response.status === 401 ? 'ended' : 'later'
  } catch {
    return 'later'
  }
}
