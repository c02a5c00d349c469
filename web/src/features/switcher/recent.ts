const MOST = 20

const key = (user: string) => `parley.recent.${user}`

/** The rooms that were opened last, newest first. */
export function recentRooms(user: string): string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key(user)) ?? '[]')
    return Array.isArray(value) ? value.filter((id) => typeof id === 'string') : []
  } catch {
    return []
  }
}

export function noteRoom(user: string, room: string): void {
  try {
    const rooms = [room, ...recentRooms(user).filter((other) => other !== room)].slice(0, MOST)
    localStorage.setItem(key(user), JSON.stringify(rooms))
  } catch {
    // The switcher then lists rooms in their usual order.
  }
}
