import assert from 'node:assert/strict'
import { furnish, join, screens } from './support/screens.mjs'
import { scenario } from './support/world.mjs'

const TARGET_PX = 44

scenario('at 320 px nothing scrolls sideways, and everything that is pressed is large enough', async (world) => {
  const place = await furnish(world.server.url)
  const touch = { hasTouch: true, isMobile: true, reducedMotion: /** @type {const} */ ('reduce') }
  const visitor = await world.window(touch)
  const ada = await world.person('ada', { displayName: 'Ada', ...touch })
  await join(ada, world.server.url, place)
  /** @type {string[]} */
  const found = []
  for (const screen of screens(place)) {
    const page = screen.signedIn ? ada : visitor
    await page.setViewportSize({ width: 320, height: 640 })
    await screen.open(page)
    await page.waitForTimeout(200)
    const wrong = await page.evaluate((least) => {
      const wide = document.documentElement.scrollWidth > window.innerWidth ? ['scrolls sideways'] : []
      const small = [...document.querySelectorAll('button, a[href], input, textarea, [role="option"]')].flatMap(
        (target) => {
          // A hidden radio button is pressed by its label.
          const pressed = target.getAttribute('type') === 'radio' ? (target.closest('label') ?? target) : target
          const { width, height } = pressed.getBoundingClientRect()
          // A link in running text is as high as its line, and what lies over a target enlarges it.
          if (width === 0 || height === 0 || (target.tagName === 'A' && target.closest('p'))) return []
          const before = getComputedStyle(target, '::before')
          const extra = before.position === 'absolute' ? -2 * Number.parseFloat(before.top || '0') : 0
          const name = target.getAttribute('aria-label') ?? target.textContent?.trim()
          return width < least || height + extra < least ? [`${name} is ${width} × ${height} px`] : []
        },
      )
      return [...wide, ...small]
    }, TARGET_PX - 0.5)
    found.push(...wrong.map((what) => `${screen.name}: ${what}`))
    await screen.close?.(page)
  }
  assert.deepEqual(found, [])
})
