import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { furnish, join, screens } from './support/screens.mjs'
import { DESKTOP, PHONE, scenario } from './support/world.mjs'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

scenario('axe finds nothing on any screen, in both themes, on a desktop and on a phone', async (world) => {
  const place = await furnish(world.server.url)
  const still = { reducedMotion: /** @type {const} */ ('reduce') }
  const visitor = await world.window(still)
  const ada = await world.person('ada', { displayName: 'Ada', ...still })
  await join(ada, world.server.url, place)
  /** @type {string[]} */
  const found = []
  for (const viewport of [DESKTOP, PHONE]) {
    for (const screen of screens(place)) {
      const page = screen.signedIn ? ada : visitor
      await page.setViewportSize(viewport)
      await screen.open(page)
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.emulateMedia({ colorScheme })
        await page.locator(`html[data-theme="${colorScheme}"]`).waitFor()
        const where = `${screen.name}, ${viewport.width} px, ${colorScheme}`
        found.push(...(await violations(page)).map((violation) => `${where}: ${violation}`))
      }
      await screen.close?.(page)
    }
  }
  assert.deepEqual(found, [])
})

/**
 * @param {import('playwright-core').Page} page
 * @returns {Promise<string[]>}
 */
async function violations(page) {
  // A new theme is on the page a moment after its name is; what fades is judged when it has arrived.
  await page.evaluate(async () => {
    await new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))
    await Promise.allSettled(document.getAnimations().map((animation) => animation.finished))
  })
  // Evaluated by the debugger, so that the page keeps its content security policy.
  await page.evaluate(`${axe};0`)
  return page.evaluate(async () => {
    const { violations } = await Reflect.get(window, 'axe').run(document, { resultTypes: ['violations'] })
    return violations.flatMap(
      (/** @type {{ id: string, nodes: { target: string[], failureSummary: string }[] }} */ rule) =>
        rule.nodes.map((node) => `${rule.id} at ${node.target.join(' ')}: ${node.failureSummary}`),
    )
  })
}
