const BASE_MS = 500
const CAP_MS = 30_000

/**
 * Full jitter: anywhere between nothing and the doubled bound, so that clients that were cut off together do not come
 * back together. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16)))
}
