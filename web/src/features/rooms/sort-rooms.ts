import type { Room } from '@/shared/api/types'

/** Newest activity first, counting what happened since the list was fetched. */
export function sortRooms(rooms: readonly Room[], activity: Readonly<Record<string, number>>): Room[] {
  const at = new Map(rooms.map((room) => [room.id, lastActivity(room, activity[room.id] ?? 0)]))
  return [...rooms].sort((a, b) => (at.get(b.id) ?? 0) - (at.get(a.id) ?? 0))
}

function lastActivity(room: Room, since: number): number {
  return Math.max(Date.parse(room.last_activity_at ?? room.created_at) || 0, since)
}
