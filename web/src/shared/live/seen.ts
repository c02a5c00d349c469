/** How far each room was read on this device, by message number. The server keeps no read marks yet. */
export function createSeen(user: string) {
  const key = `parley.seen.${user}`
  const seen: Record<string, number> = load(key)

  return {
    get: (room: string): number | undefined => seen[room],
    mark(room: string, seq: number): void {
      if (seq <= (seen[room] ?? -1)) return
      seen[room] = seq
      try {
        localStorage.setItem(key, JSON.stringify(seen))
      } catch {
        // Rooms then count as read again after a reload.
      }
    },
  }
}
export type Seen = ReturnType<typeof createSeen>

function load(key: string): Record<string, number> {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? '{}')
    if (typeof value !== 'object' || value === null) return {}
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, number] => Number.isInteger(entry[1])),
    )
  } catch {
    return {}
  }
}
