import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { atEnd, banner, composer, log, readThrough, say, settled, shows, texts } from './support/conversation.mjs'
import { joinRoom, signUpAndMeet } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

scenario('two people sign up, meet in a public room and read the same rows, once, in the same order', async (world) => {
  const [ada, bo] = [await world.window(), await world.window()]
  await signUpAndMeet(ada, bo)

  const said = []
  for (let turn = 1; turn <= 6; turn++) {
    const [mine, yours] = [`Ada, turn ${turn}`, `Bo, turn ${turn}`]
    await Promise.all([say(ada, mine), say(bo, yours)])
    said.push(mine, yours)
  }
  for (const text of said) await Promise.all([shows(ada, text), shows(bo, text)])

  const [inAda, inBo] = [texts(await settled(ada)), texts(await settled(bo))]
  assert.deepEqual(inAda, inBo)
  assert.deepEqual(inAda.toSorted(), said.toSorted())
  await ada.reload()
  await shows(ada, 'Bo, turn 6')
  assert.deepEqual(texts(await settled(ada)), inBo, 'the same after a reload')
})

scenario('killed while both are sending, the server comes back and every message is there once', async (world) => {
  const room = await sharedRoom(world)
  const [ada, bo] = await both(world, room)
  const said = { ada: /** @type {string[]} */ ([]), bo: /** @type {string[]} */ ([]) }
  /** @param {'ada' | 'bo'} who @param {Page} page @param {number} count */
  const talk = async (who, page, count) => {
    for (let i = 0; i < count; i++) {
      const text = `${who} ${said[who].length + 1}`
      said[who].push(text)
      await say(page, text)
    }
  }

  await Promise.all([talk('ada', ada, 4), talk('bo', bo, 4)])
  // The last of these are on their way when the server dies.
  const sending = Promise.all([talk('ada', ada, 12), talk('bo', bo, 12)])
  await new Promise((resolve) => setTimeout(resolve, 150))
  await world.server.kill()
  await sending
  await Promise.all([talk('ada', ada, 3), talk('bo', bo, 3)])

  for (const page of [ada, bo]) {
    await banner(page).waitFor()
    const box = await banner(page).boundingBox()
    assert.ok(box && box.height <= 48, `a slim banner, not ${box?.height} px`)
    assert.ok(await composer(page).isEnabled())
    await page.locator('article[data-state="pending"]').last().waitFor()
  }
  await world.server.start()
  // One of them does not want to wait, unless its turn has come first; the other comes back without doing anything.
  const impatient = ada.getByRole('button', { name: 'Try now' }).click({ timeout: 40_000 })
  await Promise.race([impatient, banner(ada).waitFor({ state: 'detached', timeout: 40_000 })])
  impatient.catch(() => {})
  for (const page of [ada, bo]) {
    await banner(page).waitFor({ state: 'detached', timeout: 40_000 })
    await shows(page, said.ada.at(-1) ?? '')
    await shows(page, said.bo.at(-1) ?? '')
    assert.ok(await atEnd(page), 'who was reading along at the end is still there')
  }

  const [inAda, inBo] = [await settled(ada), await settled(bo)]
  assert.deepEqual(texts(inAda), texts(inBo), 'both read the same')
  assert.deepEqual(texts(inAda).toSorted(), [...said.ada, ...said.bo].toSorted(), 'everything once')
  for (const who of /** @type {const} */ (['ada', 'bo'])) {
    const own = texts(inAda).filter((text) => text.startsWith(`${who} `))
    assert.deepEqual(own, said[who], `what ${who} said, in the order it was said`)
  }
  assert.ok(
    inAda.every((row) => row.state === 'stored' || row.state === 'accepted'),
    'nothing is left pending or failed',
  )
})

scenario('what was written offline survives a reload of the page and is sent once', async (world) => {
  const room = await sharedRoom(world)
  const wire = { cut: false }
  const ada = await world.person('ada-offline', { displayName: 'Ada' })
  /** @type {import('playwright-core').WebSocketRoute[]} */
  const sockets = []
  await ada.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
    if (wire.cut) return void socket.close({ code: 1013 })
    socket.connectToServer()
    sockets.push(socket)
  })
  const bo = await world.person('bo-online', { displayName: 'Bo' })
  for (const page of [ada, bo]) {
    await joinRoom(page, world.server.url, room)
    await page.goto(`/rooms/${room}`)
  }
  await say(ada, 'Before the cut')
  await shows(bo, 'Before the cut')

  wire.cut = true
  for (const socket of sockets) await socket.close({ code: 1013 })
  await say(ada, 'Written on the train')
  await say(ada, 'And one more in the tunnel')
  await ada.locator('article[data-state="pending"]').nth(1).waitFor()

  await ada.reload()
  await ada.getByText('Written on the train', { exact: true }).waitFor()
  assert.equal(await composer(ada).isEnabled(), true)

  wire.cut = false
  await ada.evaluate(() => window.dispatchEvent(new Event('online')))
  for (const page of [ada, bo]) await shows(page, 'And one more in the tunnel')
  const expected = ['Before the cut', 'Written on the train', 'And one more in the tunnel']
  assert.deepEqual(texts(await settled(ada)), expected)
  assert.deepEqual(texts(await settled(bo)), expected)
  await ada.reload()
  await shows(ada, 'And one more in the tunnel')
  await ada.waitForTimeout(1_000)
  assert.deepEqual(texts(await readThrough(bo)), expected, 'nothing is sent again after another reload')
})

scenario(
  'a network that dies in silence is told when the browser doubts it, and all is there afterwards',
  async (world) => {
    const room = await sharedRoom(world)
    const wire = { dead: false }
    const ada = await world.person('ada-away', { displayName: 'Ada' })
    await ada.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
      if (wire.dead) return void socket.close({ code: 1013 })
      const server = socket.connectToServer()
      socket.onMessage((message) => {
        if (!wire.dead) server.send(message)
      })
      server.onMessage((message) => {
        if (!wire.dead) socket.send(message)
      })
    })
    const bo = await world.person('bo-there', { displayName: 'Bo' })
    for (const page of [ada, bo]) {
      await joinRoom(page, world.server.url, room)
      await page.goto(`/rooms/${room}`)
    }
    await say(ada, 'Before the silence')
    await shows(bo, 'Before the silence')
    const doubt = (/** @type {string} */ event) => ada.evaluate((name) => window.dispatchEvent(new Event(name)), event)

    await doubt('offline')
    await ada.waitForTimeout(5_500)
    assert.equal(await banner(ada).count(), 0, 'a connection that answers stays')

    wire.dead = true
    await doubt('offline')
    await banner(ada).waitFor()
    assert.equal(await banner(ada).getByRole('status').textContent(), 'Reconnecting…', 'no seconds are read aloud')
    await say(bo, 'Said meanwhile')
    wire.dead = false
    await doubt('online')
    await shows(ada, 'Said meanwhile')
    await banner(ada).waitFor({ state: 'detached' })
    assert.deepEqual(texts(await settled(ada)), ['Before the silence', 'Said meanwhile'])
  },
)

/** @param {import('./support/world.mjs').World} world */
async function sharedRoom(world) {
  const owner = await Client.signUp(world.server.url, 'chidi', 'Chidi')
  return (await owner.createRoom('Shared')).id
}

/** @param {import('./support/world.mjs').World} world @param {string} room */
async function both(world, room) {
  const pages = [await world.person('ada', { displayName: 'Ada' }), await world.person('bo', { displayName: 'Bo' })]
  for (const page of pages) {
    await joinRoom(page, world.server.url, room)
    await page.goto(`/rooms/${room}`)
    await composer(page).waitFor()
    await log(page).getByText('Bo joined').or(log(page).getByText('Ada joined')).first().waitFor()
  }
  return /** @type {[Page, Page]} */ (pages)
}
