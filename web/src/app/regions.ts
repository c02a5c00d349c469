/** The parts of the window that F6 goes through, in their order. */
const regions = [
  'nav[aria-label="Rooms"] a',
  'section header a, section header button',
  '[role="log"]',
  '#composer',
  'aside button',
]

const visible = (element: HTMLElement) => element.offsetParent !== null

/** Focuses the next part of the window that is there. */
export function nextRegion(step: 1 | -1): void {
  const there = regions
    .map((selector) => [...document.querySelectorAll<HTMLElement>(selector)].filter(visible))
    .filter((elements) => elements.length > 0)
  if (there.length === 0) return
  const focused = document.activeElement
  const at = there.findIndex((elements) => elements.some((element) => element.contains(focused)))
  const from = at < 0 && step < 0 ? 0 : at
  const next = there[(from + step + there.length) % there.length]
  const current = next?.find((element) => element.getAttribute('aria-current') === 'page')
  ;(current ?? next?.[0])?.focus()
}
