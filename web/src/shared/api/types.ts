import { arr, bool, type Infer, int, nul, obj, opt, str } from './shape'

export const user = obj({
  id: str,
  user_name: str,
  display_name: str,
  color: str,
  status_text: opt(str),
})
export type User = Infer<typeof user>

export const room = obj({
  id: str,
  kind: str,
  name: str,
  topic: opt(str),
  visibility: str,
  member: bool,
  members: int,
  last_seq: int,
  read_seq: opt(int),
  last_activity_at: opt(str),
  created_at: str,
  archived: opt(bool),
})
export type Room = Infer<typeof room>

export const session = obj({ user, session_id: str, access_expires_at: str })
export type Session = Infer<typeof session>

export const me = obj({ user, session_id: str })
export type Me = Infer<typeof me>

export const member = obj({ user, joined_at: str, role: str })
export type Member = Infer<typeof member>

const listOf = <T>(item: (value: unknown) => value is T) =>
  obj({ items: arr(item), next: opt(nul(str)), previous: opt(nul(str)) })

export const rooms = listOf(room)
export type Rooms = Infer<typeof rooms>
export const members = listOf(member)
export type Members = Infer<typeof members>
export const users = obj({ items: arr(user) })
