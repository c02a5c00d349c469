import { mkdir } from 'node:fs/promises'
import { join as joined, resolve } from 'node:path'
import { composer } from './support/conversation.mjs'
import { furnish, join, screens } from './support/screens.mjs'
import { DESKTOP, PHONE, World } from './support/world.mjs'

// Every screen in both themes, on a desktop and on a phone: npm run screenshots [-- folder]

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./support/screens.mjs').Screen} Screen */

const folder = resolve(process.argv[2] ?? 'screenshots')
await mkdir(folder, { recursive: true })
const world = await World.start()
let count = 0
try {
  const place = await furnish(world.server.url)
  const still = { reducedMotion: /** @type {const} */ ('reduce') }
  const visitor = await world.window(still)
  const ada = await world.person('ada', { displayName: 'Ada', ...still })
  await join(ada, world.server.url, place)
  const newcomer = await world.person('noor', { displayName: 'Noor', ...still })
  const conversation = screens(place).find((screen) => screen.name === 'conversation')
  /** @param {string} name @param {(page: Page) => Promise<unknown>} then @returns {Screen} */
  const inRoom = (name, then) => ({
    name,
    signedIn: true,
    open: async (page) => {
      await conversation?.open(page)
      await then(page)
    },
  })
  const more = [
    inRoom('vote-actions', async (page) => {
      const row = page.locator('article', { hasText: 'two bags of compost' })
      await row.focus()
      await row.hover()
    }),
    inRoom('members', (page) => page.getByRole('button', { name: /^Members/ }).click()),
    inRoom('room-menu', (page) => page.getByRole('button', { name: 'Room menu' }).click()),
    inRoom('leave-room', async (page) => {
      await page.getByRole('button', { name: 'Room menu' }).click()
      await page.getByRole('menuitem', { name: 'Leave room' }).click()
    }),
    inRoom('long-draft', (page) => composer(page).fill('A long thought. '.repeat(235))),
    inRoom('missing', (page) => page.goto('/rooms/00000000-0000-4000-8000-000000000000')),
    openMenu('profile-menu', async () => {}),
    openMenu('profile', (page) => page.getByRole('menuitem', { name: 'Edit profile' }).click()),
    {
      name: 'new-room',
      signedIn: true,
      open: async (/** @type {Page} */ page) => {
        await page.goto('/rooms')
        await page.getByRole('button', { name: 'New room' }).click()
      },
    },
  ]
  for (const screen of [...screens(place), ...more]) await picture(screen, screen.signedIn ? ada : visitor)
  const first = { signedIn: true }
  await picture({ ...first, name: 'newcomer', open: (page) => page.goto('/rooms') }, newcomer)
  await picture({ ...first, name: 'join', open: (page) => page.goto(`/rooms/${place.garden}`) }, newcomer)
  await picture({ ...first, name: 'not-found', open: (page) => page.goto('/elsewhere') }, newcomer)
  await picture({ ...first, name: 'refused-sign-in', open: refusedSignIn }, visitor)
  await conversation?.open(ada)
  await world.server.kill()
  await picture({ ...first, name: 'offline', open: offline }, ada)
} finally {
  await world.end()
}
console.log(`${count} pictures in ${folder}`)

/** @param {Screen} screen @param {Page} page */
async function picture({ name, open, close }, page) {
  for (const viewport of [DESKTOP, PHONE]) {
    await page.setViewportSize(viewport)
    await open(page)
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme })
      await page.waitForTimeout(300)
      await page.screenshot({ path: joined(folder, `${name}-${viewport.width}-${colorScheme}.png`), caret: 'hide' })
      count++
    }
    await close?.(page)
  }
}

/** @param {string} name @param {(page: Page) => Promise<unknown>} then @returns {Screen} */
function openMenu(name, then) {
  return {
    name,
    signedIn: true,
    open: async (page) => {
      await page.goto('/rooms')
      await page.getByRole('button', { name: /^Your menu/ }).click()
      await then(page)
    },
  }
}

/** @param {Page} page */
async function refusedSignIn(page) {
  await page.goto('/sign-in')
  await page.getByLabel('User name').fill('ada')
  await page.getByLabel('Password').fill('not this one')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
}

/** @param {Page} page */
async function offline(page) {
  const text = 'I will be late, the tram stands still.'
  if ((await page.getByText(text).count()) === 0) {
    await composer(page).fill(text)
    await composer(page).press('Enter')
  }
  await page.getByTestId('connection-banner').waitFor()
}
