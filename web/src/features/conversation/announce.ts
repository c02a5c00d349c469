/** What a screen reader is told about messages that arrived: one is read out, a burst is counted. */
export function announcement(arrived: readonly { name: string; text: string }[]): string {
  const [only] = arrived
  if (!only) return ''
  if (arrived.length > 1) return `${arrived.length} new messages`
  return `${only.name}: ${only.text}`
}

/** Calls once for all that comes within `ms` of the first, however much follows: a talk that never pauses is told all the same. */
export function gatherer(call: () => void, ms: number) {
  let timer: ReturnType<typeof setTimeout> | undefined
  return {
    more(): void {
      timer ??= setTimeout(() => {
        timer = undefined
        call()
      }, ms)
    },
    stop(): void {
      clearTimeout(timer)
      timer = undefined
    },
  }
}
