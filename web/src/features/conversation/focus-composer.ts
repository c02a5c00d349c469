import { isTouch } from './touch'

export const composerId = 'composer'

/** Where focus goes when what had it is gone: a row that was settled, a button that was used up. The list has it where writing would raise a keyboard. */
export function focusComposer(): void {
  const target = isTouch() ? document.querySelector<HTMLElement>('[role="log"]') : document.getElementById(composerId)
  target?.focus({ preventScroll: true })
}
