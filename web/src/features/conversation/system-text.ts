import { obj, opt, str } from '@/shared/api/shape'
import type { Item } from '@/shared/socket/protocol'
import { neutral } from '@/shared/text/tokens'

const event = obj({ event: str, room: opt(obj({ name: str })), member: opt(obj({ user: str })) })

/** What happened, as a sentence. Events of a newer server get a neutral one. */
export function systemText(item: Item, nameOf: (id: string) => string): string {
  const body = event(item.body) ? item.body : null
  const name = nameOf(body?.member?.user ?? item.sender ?? '')
  switch (body?.event ?? item.kind) {
    case 'created':
      return `${nameOf(item.sender ?? '')} created the room`
    case 'joined':
      return `${name} joined`
    case 'left':
      return `${name} left`
    case 'kicked':
    case 'removed':
      return `${name} was removed`
    case 'renamed':
      return body?.room ? `The room was renamed to “${neutral(body.room.name)}”` : 'The room was renamed'
    case 'archived':
      return 'The room was archived'
    default:
      return 'The room was changed'
  }
}

/** Whom a row speaks of besides its sender: they too have to be known by name. */
export function subjectOf(item: Item): string | null {
  return event(item.body) ? (item.body.member?.user ?? null) : null
}
