import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const heading = (page) => page.getByRole('region').getByRole('heading', { level: 1 })

/** @param {import('./support/world.mjs').World} world */
async function three(world) {
  const { url } = world.server
  const owner = await Client.signUp(url, 'chidi', 'Chidi')
  const page = await world.person('ada', { displayName: 'Ada' })
  /** @param {string} name */
  const make = async (name) => {
    const { id } = await owner.createRoom(name)
    await joinRoom(page, url, id)
    await owner.say(id, `Welcome to ${name}`)
    return id
  }
  const rooms = { Bread: await make('Bread'), Garden: await make('Garden'), 'Night trains': await make('Night trains') }
  await page.goto(`/rooms/${rooms.Bread}`)
  await shows(page, 'Welcome to Bread')
  return { owner, page, rooms }
}

scenario('the switcher finds a room by a few letters, the one before the last first', async (world) => {
  const { page, rooms } = await three(world)
  await page.keyboard.press('Control+k')
  const field = page.getByRole('combobox', { name: 'Room' })
  await field.fill('nt')
  await page.getByRole('option', { name: /Night trains/ }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForURL(`**/${rooms['Night trains']}`)
  await shows(page, 'Welcome to Night trains')
  assert.ok(await composer(page).evaluate((area) => area === document.activeElement))

  await page.keyboard.press('Control+k')
  await page.getByRole('option').first().waitFor()
  assert.match((await page.getByRole('option', { selected: true }).textContent()) ?? '', /Bread/)
  await field.fill('zzz')
  await page.getByText('None of your rooms is called so.').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
})

scenario('the switcher finds rooms that the list does not show yet', async (world) => {
  const { page, rooms } = await three(world)
  await page.route(/\/api\/v1\/rooms\?/, (route) =>
    route.continue({ url: route.request().url().replace('limit=100', 'limit=1') }),
  )
  await page.reload()
  await page.getByRole('button', { name: 'Show more rooms' }).waitFor()
  assert.equal(await page.getByRole('navigation', { name: 'Rooms' }).getByRole('listitem').count(), 1)
  await page.keyboard.press('Control+k')
  const field = page.getByRole('combobox', { name: 'Room' })
  for (const name of Object.keys(rooms)) {
    await field.fill(name)
    await page.getByRole('option', { name }).waitFor()
  }
  await field.fill('zzz')
  await page.getByText('None of your rooms is called so.').waitFor()
})

scenario('from room to room, and from unread room to unread room, without a mouse', async (world) => {
  const { owner, page, rooms } = await three(world)
  await page.waitForTimeout(800)
  await page.keyboard.press('Alt+ArrowDown')
  await page.waitForFunction((bread) => !location.pathname.endsWith(bread), rooms.Bread)
  await page.goto(`/rooms/${rooms.Bread}`)
  await shows(page, 'Welcome to Bread')
  await owner.say(rooms.Garden, 'Come quickly')
  await page.locator('nav a[data-unread]', { hasText: 'Garden' }).waitFor()
  for (let i = 0; i < 3 && !page.url().endsWith(rooms.Garden); i++) {
    await page.keyboard.press('Alt+Shift+ArrowUp')
    await page.waitForTimeout(300)
  }
  await shows(page, 'Come quickly')
})

scenario('F6 goes round the parts of the window, and the list of keys is one press away', async (world) => {
  const { page } = await three(world)
  await composer(page).focus()
  const seen = []
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press('F6')
    seen.push(
      await page.evaluate(() => {
        const element = document.activeElement
        return element?.id || element?.getAttribute('role') || element?.closest('nav, header')?.tagName
      }),
    )
  }
  assert.deepEqual(seen, ['NAV', 'HEADER', 'log', 'composer'])
  await page.keyboard.press('Control+/')
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
})

scenario('what was begun stays with its room, over a reload', async (world) => {
  const { page, rooms } = await three(world)
  await composer(page).fill('Half a thought about')
  await page.keyboard.press('Alt+ArrowDown')
  await page.waitForFunction((bread) => !location.pathname.endsWith(bread), rooms.Bread)
  await heading(page).waitFor()
  assert.equal(await composer(page).inputValue(), '')
  await composer(page).fill('Something else')
  await page.goto(`/rooms/${rooms.Bread}`)
  await composer(page).waitFor()
  assert.equal(await composer(page).inputValue(), 'Half a thought about')
})
