export const composerId = 'composer'

/** Where focus goes when what had it is gone: a row that was settled, a button that was used up. */
export function focusComposer(): void {
  document.getElementById(composerId)?.focus({ preventScroll: true })
}
