/** What a screen reader is told about messages that arrived: one is read out, a burst is counted. */
export function announcement(arrived: readonly { name: string; text: string }[]): string {
  const [only] = arrived
  if (!only) return ''
  if (arrived.length > 1) return `${arrived.length} new messages`
  return `${only.name}: ${only.text}`
}
