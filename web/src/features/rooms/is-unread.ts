import type { Room } from '@/shared/api/types'

interface Known {
  unread: boolean
}

/** Moved since this page was opened, or before that but after it was last read here. A room never opened here is not nagging. */
export function isUnread(room: Room, activity: Known | undefined, seen: number | undefined): boolean {
  return activity ? activity.unread : seen !== undefined && room.last_seq > seen
}
