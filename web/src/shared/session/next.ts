/** Where to go after signing in: a path of ours, never another site's (`//evil`, `/\evil`). */
export function safeNext(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])[^\u0000-\u001f]*$/u.test(next) ? next : '/rooms'
}
