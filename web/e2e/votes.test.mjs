import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, log, say, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { PHONE, scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

scenario('two people vote, switch and take back, and both read the same counts', async (world) => {
  const { ada, bo } = await meeting(world)
  await say(ada, 'Shall we plant beans?')
  for (const page of [ada, bo]) await shows(page, 'Shall we plant beans?')
  const text = 'Shall we plant beans?'

  await offer(bo, text, 'up')
  await reads(bo, text, 1, 0, 'up')
  await reads(ada, text, 1, 0, null)
  await press(ada, text, 'up')
  for (const page of [ada, bo]) await reads(page, text, 2, 0, 'up')
  await press(bo, text, 'down')
  await reads(bo, text, 1, 1, 'down')
  await reads(ada, text, 1, 1, 'up')
  assert.ok(await composer(bo).evaluate((field) => field === document.activeElement), 'one goes on writing')

  await row(ada, text).getByRole('button', { name: 'Who voted' }).click()
  const who = ada.getByRole('dialog', { name: 'Who voted' })
  await who.getByRole('listitem').filter({ hasText: 'Bo' }).getByText('voted down').waitFor()
  await who.getByRole('listitem').filter({ hasText: 'Ada' }).getByText('voted up').waitFor()
  await ada.keyboard.press('Escape')

  await press(bo, text, 'down')
  await reads(ada, text, 1, 0, 'up')
  await press(ada, text, 'up')
  for (const page of [ada, bo])
    await row(page, text).getByRole('button', { name: 'Who voted' }).waitFor({ state: 'detached' })

  await press(bo, text, 'up', 'actions')
  await reads(ada, text, 1, 0, null)
  await bo.reload()
  await reads(bo, text, 1, 0, 'up')
})

scenario('of the votes cast offline the last survives a reload, goes alone and is counted once', async (world) => {
  const { ada, bo, wire } = await meeting(world)
  await say(bo, 'Is it raining?')
  await shows(ada, 'Is it raining?')
  const text = 'Is it raining?'
  await wire.cut()
  await offer(ada, text, 'up')
  await press(ada, text, 'down')
  await reads(ada, text, 0, 1, 'down')
  await ada.waitForTimeout(200)
  await ada.reload()
  await composer(ada).waitFor()
  await wire.mend()
  for (const page of [ada, bo]) await reads(page, text, 0, 1, page === ada ? 'down' : null)
  await ada.reload()
  await reads(ada, text, 0, 1, 'down')
  assert.deepEqual(wire.cast, [-1])
})

scenario('the messages with the most votes are listed first, by period, and can be voted on there', async (world) => {
  const { ada, bo } = await meeting(world)
  for (const text of ['Plain', 'Liked by one', 'Liked by two']) await say(ada, text)
  await shows(bo, 'Liked by two')
  await offer(bo, 'Liked by one', 'up')
  for (const page of [ada, bo]) await offer(page, 'Liked by two', 'up')
  await reads(ada, 'Liked by two', 2, 0, 'up')

  await ada.getByRole('button', { name: 'Top messages' }).click()
  const top = ada.getByRole('complementary', { name: 'Top messages' })
  for (const period of ['Day', 'Month', 'All', 'Week']) {
    await top.getByText(period, { exact: true }).click()
    await top.getByRole('listitem').nth(1).waitFor()
    const listed = await top.getByRole('listitem').locator('p[dir="auto"]').allTextContents()
    assert.deepEqual(listed, ['Liked by two', 'Liked by one'], period)
  }
  await top
    .getByRole('listitem')
    .nth(1)
    .getByRole('button', { name: /^Vote up/ })
    .click()
  for (const page of [ada, bo]) await reads(page, 'Liked by one', 2, 0, 'up')
})

scenario('votes are within reach of the keyboard alone, and of a finger', async (world) => {
  const { ada, bo } = await meeting(world)
  await say(bo, 'First')
  await say(bo, 'Second')
  await shows(ada, 'Second')
  await log(ada).focus()
  await ada.keyboard.press('ArrowUp')
  await ada.keyboard.press('ArrowUp')
  await ada.keyboard.press('Tab')
  await ada.keyboard.press('Enter')
  await reads(ada, 'First', 1, 0, 'up')
  await reads(bo, 'First', 1, 0, null)

  const phone = await world.signedIn('bo', { viewport: PHONE, hasTouch: true, isMobile: true })
  await phone.goto(ada.url())
  await shows(phone, 'Second')
  await row(phone, 'Second').getByText('Second').tap()
  await row(phone, 'Second').getByRole('button', { name: 'Vote down' }).tap()
  await reads(ada, 'Second', 0, 1, null)
  await row(phone, 'Second').getByRole('button', { name: 'Vote down, 1' }).tap()
  await row(ada, 'Second').getByRole('button', { name: 'Who voted' }).waitFor({ state: 'detached' })
})

/** @param {Page} page @param {string} text */
const row = (page, text) => log(page).locator('article', { has: page.getByText(text, { exact: true }) })

/**
 * By the buttons that come up over the row.
 * @param {Page} page @param {string} text @param {'up' | 'down'} way
 */
async function offer(page, text, way) {
  await row(page, text).hover()
  await row(page, text)
    .getByRole('button', { name: `Vote ${way}`, exact: true })
    .click()
}

/**
 * By the counts under the row, or again by the buttons over it.
 * @param {Page} page @param {string} text @param {'up' | 'down'} way @param {'counts' | 'actions'} [by]
 */
async function press(page, text, way, by = 'counts') {
  if (by === 'actions') return offer(page, text, way)
  await row(page, text)
    .getByRole('button', { name: new RegExp(`^Vote ${way}, \\d`) })
    .click()
}

/** @param {Page} page @param {string} text @param {number} up @param {number} down @param {'up' | 'down' | null} own */
async function reads(page, text, up, down, own) {
  for (const [way, count] of /** @type {const} */ ([
    ['up', up],
    ['down', down],
  ])) {
    await row(page, text)
      .getByRole('button', { name: `Vote ${way}, ${count}`, pressed: own === way, exact: true })
      .waitFor()
  }
}

/**
 * Ada and Bo in one room; Ada's connection can be cut.
 * @param {import('./support/world.mjs').World} world
 */
async function meeting(world) {
  const { url } = world.server
  const owner = await Client.signUp(url, 'chidi', 'Chidi')
  const room = (await owner.createRoom('Garden')).id
  const [ada, bo] = [await world.person('ada', { displayName: 'Ada' }), await world.person('bo', { displayName: 'Bo' })]
  let down = false
  /** What Ada's window voted on the wire. @type {number[]} */
  const cast = []
  /** @type {import('playwright-core').WebSocketRoute[]} */
  const sockets = []
  await ada.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
    if (down) return void socket.close({ code: 1013 })
    const server = socket.connectToServer()
    socket.onMessage((message) => {
      const frame = JSON.parse(`${message}`)
      if (frame.type === 'vote') cast.push(frame.value)
      server.send(message)
    })
    sockets.push(socket)
  })
  for (const page of [ada, bo]) {
    await joinRoom(page, url, room)
    await page.goto(`/rooms/${room}`)
    await composer(page).waitFor()
  }
  const wire = {
    cast,
    cut: async () => {
      down = true
      for (const socket of sockets.splice(0)) await socket.close({ code: 1013 })
    },
    mend: async () => {
      down = false
      await ada.evaluate(() => window.dispatchEvent(new Event('online')))
    },
  }
  return { ada, bo, wire }
}
