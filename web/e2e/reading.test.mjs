import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { atEnd, composer, log, say, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./support/world.mjs').World} World */

/** @param {Page} page @param {string} name */
const link = (page, name) => page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name })
/** @param {Page} page */
const line = (page) => page.getByTestId('new-line')
/** @param {Page} page */
const bar = (page) => page.getByRole('button', { name: /new messages?$/ }).first()

/**
 * Somebody who talks, and a reader in two rooms of theirs.
 * @param {World} world
 */
async function rooms(world) {
  const { url } = world.server
  const talker = await Client.signUp(url, 'chidi', 'Chidi')
  const [garden, trains] = [(await talker.createRoom('Garden')).id, (await talker.createRoom('Trains')).id]
  const page = await world.person('bo', { displayName: 'Bo' })
  for (const room of [garden, trains]) {
    await joinRoom(page, url, room)
    // What stands before it counts as read.
    await talker.joined(room, 1)
  }
  return { talker, garden, trains, page }
}

/** @param {Client} talker @param {string} room @param {number} count */
async function talk(talker, room, count) {
  for (let i = 1; i <= count; i++) await talker.say(room, `Line ${i}`)
}

scenario(
  'what came meanwhile is counted, stands below a line, and is read on every device once it was seen',
  async (world) => {
    const { talker, garden, trains, page } = await rooms(world)
    const phone = await world.signedIn('bo')
    for (const window of [page, phone]) {
      await window.goto('/rooms')
      await link(window, 'Garden').waitFor()
    }
    await talk(talker, garden, 3)
    for (const window of [page, phone]) {
      await link(window, 'Garden , 3 unread').waitFor()
      assert.match(await window.title(), /^\(3\) /)
    }

    await link(page, 'Garden').click()
    await shows(page, 'Line 3')
    await line(page).waitFor()
    const below = page.locator('[data-index]', { has: line(page) })
    assert.match((await below.textContent()) ?? '', /Line 1/, 'the line stands above the first of them')
    for (const window of [page, phone]) {
      await link(window, 'unread').waitFor({ state: 'detached' })
      assert.doesNotMatch(await window.title(), /^\(/)
    }
    assert.equal(await line(page).count(), 1, 'read, and the line has not moved')
    await say(page, 'I see')
    await shows(page, 'I see')
    await talker.say(garden, 'Line 4')
    await shows(page, 'Line 4')
    await page.waitForTimeout(1_500)
    assert.equal(await link(page, 'unread').count(), 0, 'what comes under the eyes is not unread')

    await link(page, 'Trains').click()
    await page.waitForURL(`**/${trains}`)
    await link(page, 'Garden').click()
    await shows(page, 'Line 4')
    await page.waitForTimeout(300)
    assert.equal(await line(page).count(), 0)
  },
)

scenario('more than a screen is unread until it was read, from the first of it on or by Esc', async (world) => {
  const { talker, garden, page } = await rooms(world)
  await talk(talker, garden, 140)
  await page.goto('/rooms')
  await link(page, 'Garden , 140 unread').waitFor()
  await link(page, 'Garden').click()
  await shows(page, 'Line 140')
  await page.waitForTimeout(1_500)
  await link(page, 'Garden , 140 unread').waitFor()

  assert.equal(await bar(page).textContent(), '140 new messages')
  await log(page).evaluate((scroller) => scroller.scrollBy(0, -500))
  await page.getByTestId('day-pill').waitFor()
  const [above, day] = await Promise.all([bar(page).boundingBox(), page.getByTestId('day-pill').boundingBox()])
  assert.ok(above && day && above.y + above.height <= day.y, 'the day of what is on top is told below the bar')
  await page.keyboard.press('Shift+PageUp')
  await shows(page, 'Line 1')
  await line(page).waitFor()
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'ARTICLE', 'the row has the focus')
  await page.waitForFunction(() => {
    const unread = document.querySelector('nav a[data-unread]')?.textContent ?? ''
    const count = Number(/(\d+) unread/.exec(unread)?.[1])
    return count > 0 && count < 140
  })

  await page.keyboard.press('Escape')
  assert.ok(await composer(page).evaluate((field) => field === document.activeElement))
  await page.keyboard.press('Escape')
  await link(page, 'unread').waitFor({ state: 'detached' })
  await page.reload()
  await shows(page, 'Line 140')
  await link(page, 'unread').waitFor({ state: 'detached' })
  assert.equal(await line(page).count(), 0)

  await page.keyboard.press('Shift+PageUp')
  await page.waitForTimeout(800)
  assert.ok(await atEnd(page), 'where nothing is unread, nothing is jumped to')
})

scenario('what one wrote is not unread, though another room is on the screen when it comes', async (world) => {
  const { talker, garden, trains, page } = await rooms(world)
  /** What the server says and is not let through yet. @type {(() => void)[] | null} */
  let held = null
  await page.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((message) => {
      if (held) held.push(() => socket.send(message))
      else socket.send(message)
    })
  })
  await page.goto(`/rooms/${trains}`)
  await log(page).getByText('Bo joined').waitFor()
  held = /** @type {(() => void)[]} */ ([])
  await say(page, 'On my way out')
  await link(page, 'Garden').click()
  await page.waitForURL(`**/${garden}`)
  const late = held
  held = null
  for (const give of late) give()
  await log(page).getByText('Bo joined').waitFor()
  await page.waitForTimeout(1_500)
  assert.equal(await link(page, 'unread').count(), 0)
  assert.doesNotMatch(await page.title(), /^\(/)

  await talker.say(garden, 'The first word in this room')
  await shows(page, 'The first word in this room')
  await page.waitForTimeout(1_500)
  assert.equal(await link(page, 'unread').count(), 0, 'nor what is read in a new room')
  await link(page, 'Trains').click()
  await shows(page, 'On my way out')
})

scenario('marked unread from a message on, a room stays so over a reload and on other devices', async (world) => {
  const { talker, garden, page } = await rooms(world)
  await talk(talker, garden, 8)
  const other = await world.signedIn('bo')
  await other.goto('/rooms')
  await page.goto(`/rooms/${garden}`)
  await shows(page, 'Line 8')
  await link(page, 'unread').waitFor({ state: 'detached' })

  await page.locator('article', { hasText: 'Line 6' }).focus()
  await page.keyboard.press('u')
  for (const window of [page, other]) await link(window, 'Garden , 3 unread').waitFor()
  assert.equal(await line(page).count(), 1)
  await page.waitForTimeout(1_200)
  await link(page, 'Garden , 3 unread').waitFor()
  await page.goto('/rooms')
  await link(page, 'Garden , 3 unread').waitFor()

  await link(page, 'Garden').click()
  const row = page.locator('article', { hasText: 'Line 2' })
  await link(page, 'unread').waitFor({ state: 'detached' })
  await row.hover()
  await row.getByRole('button', { name: 'Mark unread from here' }).click()
  await link(page, 'Garden , 7 unread').waitFor()
})

scenario('the jump to the latest counts what came below', async (world) => {
  const { talker, garden, page } = await rooms(world)
  await talk(talker, garden, 60)
  await page.goto(`/rooms/${garden}`)
  await shows(page, 'Line 60')
  await page.keyboard.press('Escape')
  await log(page).evaluate((scroller) => scroller.scrollTo(0, 200))
  await page.getByRole('button', { name: 'Jump to latest' }).waitFor()
  await talk(talker, garden, 2)
  await page.getByRole('button', { name: '2 new messages' }).last().click()
  await link(page, 'unread').waitFor({ state: 'detached' })
})
