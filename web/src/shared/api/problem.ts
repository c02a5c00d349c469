import { int, obj, opt, str } from './shape'

const shape = obj({ code: str, title: opt(str), detail: opt(str), path: opt(str), retry_after_ms: opt(int) })

/** A refusal that the server gave a reason for (RFC 9457 with `code`). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly path: string | null = null,
    readonly retryAfterMs: number | null = null,
  ) {
    super(code)
  }
}

/** What cannot be read as a problem still has a status to go by: proxies answer in their own words. */
export function problemFrom(status: number, body: unknown): Problem {
  if (shape(body)) return new Problem(status, body.code, body.path ?? null, body.retry_after_ms ?? null)
  if (status === 401) return new Problem(status, 'unauthenticated')
  if (status === 404) return new Problem(status, 'not_found')
  if (status === 429) return new Problem(status, 'rate_limited')
  return new Problem(status, status >= 500 ? 'unavailable' : 'bad_request')
}

const sentences: Record<string, string> = {
  bad_request: 'That did not look right to the server. Check what you entered.',
  unauthenticated: 'You are signed out. Sign in to go on.',
  forbidden: 'You are not allowed to do that here.',
  not_found: 'This does not exist, or you do not have access to it.',
  conflict: 'Somebody changed this at the same time. Try again.',
  username_unavailable: 'This user name is not available. Choose another one.',
  username_invalid: 'Use 2 to 32 of: small letters, digits, dot, dash and underscore.',
  current_password_wrong: 'This is not your current password.',
  password_too_short: 'Use at least 8 characters.',
  password_too_long: 'This password is too long. Use at most 128 characters.',
  password_common: 'This password is on lists of known passwords. Choose another one.',
  credentials_wrong: 'User name or password is wrong.',
  display_name_invalid: 'Use 1 to 64 characters, without control characters.',
  status_text_too_long: 'This status is too long.',
  color_invalid: 'This is not a colour.',
  room_name_invalid: 'This name cannot be used for a room. Try a shorter or simpler one.',
  room_name_taken: 'There is already a public room with this name.',
  topic_too_long: 'This topic is too long.',
  body_empty: 'An empty message cannot be sent.',
  body_too_long: 'Messages have at most 4,000 characters.',
  body_invalid: 'This text contains characters that cannot be sent.',
  base_ahead: 'The server does not know this point of the conversation yet.',
  order_hold: 'An earlier message has to be settled first.',
  rate_limited: 'That was too fast. Wait a moment, then try again.',
  queue_full: 'The server is busy. Try again in a moment.',
  overloaded: 'The server is busy. Try again in a moment.',
  unavailable: 'The server cannot do this right now. Try again in a moment.',
  history_pending: 'These messages are not ready yet. Try again in a moment.',
  auth_unverified: 'Your access could not be verified right now. Try again in a moment.',
  too_large: 'This is too large to send.',
  cancelled: 'This message was withdrawn.',
  unconfirmed: 'It is not certain that this was sent. Check the room before sending it again.',
  network: 'Parley cannot be reached. Check your connection and try again.',
}

export function sentenceFor(code: string): string {
  return sentences[code] ?? 'Something went wrong. Try again.'
}

export function sentenceOf(error: unknown): string {
  return sentenceFor(error instanceof Problem ? error.code : 'network')
}
