const key = (user: string, room: string) => `parley.draft.${user}.${room}`

export function readDraft(user: string, room: string): string {
  try {
    return localStorage.getItem(key(user, room)) ?? ''
  } catch {
    return ''
  }
}

export function keepDraft(user: string, room: string, text: string): void {
  try {
    if (text) localStorage.setItem(key(user, room), text)
    else localStorage.removeItem(key(user, room))
  } catch {
    // A draft that cannot be kept is still in the composer.
  }
}

/** Signing out leaves nothing that was written behind. */
export function forgetDrafts(user: string): void {
  try {
    const prefix = key(user, '')
    for (const name of Object.keys(localStorage)) if (name.startsWith(prefix)) localStorage.removeItem(name)
  } catch {
    // Nothing could be stored either.
  }
}
