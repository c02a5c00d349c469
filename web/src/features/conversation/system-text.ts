import { record } from '@/shared/api/shape'
import type { Item } from '@/shared/socket/protocol'
import { neutral } from '@/shared/text/tokens'

/** What happened, as a sentence. Events of a newer server get a neutral one. */
export function systemText(item: Item, nameOf: (id: string) => string): string {
  const body = record(item.body) ? item.body : {}
  const subject = personIn(body) ?? item.sender
  const name = subject ? nameOf(subject) : 'Somebody'
  if (item.kind === 'archived') return 'This room was archived'
  if (item.kind === 'removed') return `${name} was removed`
  switch (body.event) {
    case 'created':
      return `${name} created the room`
    case 'joined':
      return `${name} joined`
    case 'left':
      return `${name} left`
    case 'renamed':
      return typeof body.name === 'string'
        ? `${name} renamed the room to “${neutral(body.name)}”`
        : `${name} renamed the room`
    default:
      return 'The room was changed'
  }
}

function personIn(body: Record<string, unknown>): string | null {
  return typeof body.user === 'string' ? body.user : null
}
