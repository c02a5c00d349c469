/** Everything about rooms sits under one key, so that one call refreshes all of it. */
export const roomKeys = {
  all: ['rooms'] as const,
  mine: ['rooms', 'mine'] as const,
  directory: (q: string) => ['rooms', 'directory', q] as const,
  one: (id: string) => ['rooms', 'one', id] as const,
  members: (id: string) => ['rooms', 'members', id] as const,
}
