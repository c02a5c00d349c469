import { Problem, problemFrom } from './problem'
import { refreshSession } from './refresh'
import type { Shape } from './shape'

export const apiBase = '/api/v1'
const DEADLINE_MS = 15_000

interface Options {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  body?: unknown
  signal?: AbortSignal
  /** Sign-in and sign-up answer 401 about the credentials, not about the session. */
  refresh?: boolean
}

/** One JSON request. Rejects with a `Problem`, or with the network's error when there was no answer. */
export async function request<T>(path: string, shape: Shape<T> | null, options: Options = {}): Promise<T> {
  let response = await send(path, options)
  if (response.status === 401 && options.refresh !== false) {
    const outcome = await refreshSession()
    if (outcome === 'ok') response = await send(path, options)
    // An unreachable sign-in service must not look like a signed-out person.
    if (outcome === 'later') throw new Problem(503, 'unavailable')
  }
  if (!response.ok) throw problemFrom(response.status, await json(response))
  if (!shape) return undefined as T
  const body = await json(response)
  if (!shape(body)) throw new Problem(response.status, 'unexpected_answer')
  return body
}

function send(path: string, options: Options): Promise<Response> {
  const deadline = AbortSignal.timeout(DEADLINE_MS)
  return fetch(apiBase + path, {
    method: options.method ?? 'GET',
    credentials: 'same-origin',
    headers: options.body === undefined ? {} : { 'content-type': 'application/json' },
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
    signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
  })
}

async function json(response: Response): Promise<unknown> {
  return response.json().catch(() => null)
}

export function query(values: Record<string, string | number | null | undefined>): string {
  const entries = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '')
  return entries.length ? `?${new URLSearchParams(entries.map(([name, value]) => [name, String(value)]))}` : ''
}
