export const BODY_CODE_POINTS_MAX = 4_000
export const COUNTER_FROM = 3_600

/** The server counts code points, not UTF-16 units: an emoji is one. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
