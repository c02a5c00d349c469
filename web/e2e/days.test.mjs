import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { log, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

/** When each was said, as Ada's window is told: the server's own clock does not wait for midnight. In Berlin it is an hour later. */
const at = new Map([
  ['At tea', '2026-03-09T15:00:00.000Z'],
  ['One', '2026-03-10T18:00:00.000Z'],
  ['Two', '2026-03-10T18:04:00.000Z'],
  ['Three', '2026-03-10T18:06:00.000Z'],
  ['Another voice', '2026-03-10T18:07:00.000Z'],
  ['Late', '2026-03-10T22:58:00.000Z'],
  ['Early', '2026-03-10T23:01:00.000Z'],
])
const MEETING = '2026-03-09T11:00:00.000Z'
const MINUTE_TO_MIDNIGHT = new Date('2026-03-10T22:59:00.000Z')

scenario(
  'rows are grouped by who speaks and when, days have a line, and midnight comes to an open page',
  async (world) => {
    const { url } = world.server
    const chidi = await Client.signUp(url, 'chidi', 'Chidi')
    const dana = await Client.signUp(url, 'dana', 'Dana')
    const room = (await chidi.createRoom('Harbour')).id
    await dana.join(room)
    const page = await world.person('ada', { displayName: 'Ada', locale: 'en-GB', timezoneId: 'Europe/Berlin' })
    await joinRoom(page, url, room)
    // Else it might say so in the middle of what is said.
    await chidi.joined(room, 2)
    for (const text of ['At tea', 'One', 'Two', 'Three']) await chidi.say(room, text)
    await dana.say(room, 'Another voice')
    await chidi.say(room, 'Late')

    await page.clock.install({ time: MINUTE_TO_MIDNIGHT })
    await withTimes(page)
    await page.goto(`/rooms/${room}`)
    await shows(page, 'Late')
    assert.deepEqual(await days(page).allTextContents(), ['Yesterday', 'Today'])
    const named = { One: 1, Two: 0, Three: 1, Late: 1 }
    for (const [text, count] of Object.entries(named)) {
      assert.equal(await row(page, text).getByText('Chidi', { exact: true }).count(), count, `the name over “${text}”`)
    }
    assert.equal(await row(page, 'Another voice').getByText('Dana', { exact: true }).count(), 1)
    await row(page, 'Two').focus()
    const time = row(page, 'Two').locator('time')
    assert.equal(await time.textContent(), '19:04')
    assert.equal(await time.evaluate((element) => getComputedStyle(element).opacity), '1', 'its time without a mouse')

    await page.clock.fastForward(90_000)
    await days(page)
      .filter({ hasText: /^Monday,? 9 March$/ })
      .waitFor()
    assert.equal((await days(page).allTextContents())[1], 'Yesterday')
    await chidi.say(room, 'Early')
    await shows(page, 'Early')
    assert.deepEqual((await days(page).allTextContents()).slice(1), ['Yesterday', 'Today'])
    assert.equal(await row(page, 'Early').getByText('Chidi', { exact: true }).count(), 1, 'a new day names its first')
  },
)

/** @param {Page} page */
const days = (page) => page.locator('[data-day]')

/** @param {Page} page @param {string} text */
const row = (page, text) => log(page).locator('article', { has: page.getByText(text, { exact: true }) })

/** @param {Page} page */
const withTimes = (page) =>
  page.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
    socket.connectToServer().onMessage((message) => {
      const frame = JSON.parse(`${message}`)
      for (const item of frame.items ?? []) if (item.sent_at) item.sent_at = at.get(item.body) ?? MEETING
      socket.send(JSON.stringify(frame))
    })
  })
