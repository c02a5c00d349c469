/** What a key press asks of the whole app; null where it is somebody else's. */
export type Command =
  | { do: 'switch' }
  | { do: 'help' }
  | { do: 'region'; step: 1 | -1 }
  | { do: 'room'; step: 1 | -1; unread: boolean }

type Press = Pick<KeyboardEvent, 'key' | 'code' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey'>

export function commandOf({ key, code, altKey, ctrlKey, metaKey, shiftKey }: Press): Command | null {
  const mod = (ctrlKey || metaKey) && !altKey
  if (mod && !shiftKey && key.toLowerCase() === 'k') return { do: 'switch' }
  // On some keyboards the slash is a shifted key.
  if (mod && (key === '/' || code === 'Slash')) return { do: 'help' }
  if (key === 'F6' && !mod && !altKey) return { do: 'region', step: shiftKey ? -1 : 1 }
  if (altKey && !ctrlKey && !metaKey && (key === 'ArrowUp' || key === 'ArrowDown')) {
    return { do: 'room', step: key === 'ArrowUp' ? -1 : 1, unread: shiftKey }
  }
  return null
}

/** The room to go to, `step` from where one is, round the end; null if there is none. */
export function neighbour(
  rooms: readonly { id: string; unread: boolean }[],
  current: string | undefined,
  step: 1 | -1,
  unreadOnly: boolean,
): string | null {
  const from = rooms.findIndex((room) => room.id === current)
  for (let count = 1; count <= rooms.length; count++) {
    const start = from < 0 && step < 0 ? rooms.length : from
    const room = rooms[(start + step * count + rooms.length * 2) % rooms.length]
    if (room && room.id !== current && (!unreadOnly || room.unread)) return room.id
  }
  return null
}
