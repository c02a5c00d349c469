import assert from 'node:assert/strict'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ index: number, text: string, state: string }} Shown */

/** @param {Page} page */
export const composer = (page) => page.getByRole('textbox', { name: 'Message' })
/** @param {Page} page */
export const log = (page) => page.getByRole('log')
/** @param {Page} page */
export const banner = (page) => page.getByTestId('connection-banner')

/**
 * Typed and sent as a person does. The composer has to take it whatever the connection does; how soon depends on how busy the machine is.
 * @param {Page} page
 * @param {string} text
 */
export async function say(page, text) {
  const field = composer(page)
  await field.fill(text, { timeout: 10_000 })
  await field.press('Enter', { timeout: 10_000 })
  assert.equal(await field.inputValue(), '', 'the composer let go of the message')
}

/**
 * @param {Page} page
 * @param {string} text
 */
export const shows = (page, text) => log(page).getByText(text, { exact: true }).waitFor()

/** @param {Page} page */
export const atEnd = (page) =>
  log(page).evaluate((scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight <= 2)

/**
 * Every message row of the room, read by scrolling through the list from its beginning to its end.
 * @param {Page} page
 * @returns {Promise<Shown[]>}
 */
export function readThrough(page) {
  return log(page).evaluate(async (scroller) => {
    /** @type {Map<number, Shown>} */
    const found = new Map()
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    const look = () => {
      for (const row of scroller.querySelectorAll('[data-index]')) {
        const article = row.querySelector('article')
        if (!article || article.dataset.kind === 'system') continue
        const index = Number(row.getAttribute('data-index'))
        const text = article.querySelector('p[dir="auto"]')?.textContent ?? ''
        found.set(index, { index, text, state: article.dataset.state ?? '' })
      }
    }
    for (;;) {
      scroller.scrollTop = 0
      const height = scroller.scrollHeight
      await frame()
      await new Promise((resolve) => setTimeout(resolve, 100))
      if (scroller.scrollHeight === height && scroller.scrollTop === 0) break
    }
    for (;;) {
      look()
      /** @type {number} */
      const at = scroller.scrollTop
      scroller.scrollTop += scroller.clientHeight / 2
      await frame()
      if (scroller.scrollTop === at) break
    }
    look()
    return [...found.values()].sort((a, b) => a.index - b.index)
  })
}

/**
 * Waits until nothing is on its way any more, then reads everything.
 * @param {Page} page
 */
export async function settled(page) {
  await page.waitForFunction(() => {
    const rows = [...document.querySelectorAll('[role="log"] article')]
    return rows.length > 0 && rows.every((row) => row.getAttribute('data-state') !== 'pending')
  })
  return readThrough(page)
}

/** @param {Shown[]} rows */
export const texts = (rows) => rows.map((row) => row.text)
