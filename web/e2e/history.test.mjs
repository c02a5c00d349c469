import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { atEnd, composer, log, say, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

const MESSAGES = 650
const ROWS_MAX = 120
const TALKERS = 8

scenario(
  'several hundred messages: older ones load above without a move, and the way back is one press',
  async (world) => {
    const { url } = world.server
    const owner = await Client.signUp(url, 'chidi', 'Chidi')
    const room = (await owner.createRoom('Long')).id
    const page = await world.person('reader', { displayName: 'Ada' })
    await joinRoom(page, url, room)
    await fill(owner, room)

    await page.goto(`/rooms/${room}`)
    await composer(page).waitFor()
    await page.waitForFunction(() => document.querySelectorAll('[role="log"] article').length > 5)
    assert.ok(await atEnd(page), 'a room opens at its newest message')

    await say(page, 'Said with much above')
    // Nothing else of this row changes any more when the store has it.
    await log(page).locator('article[data-state="stored"]', { hasText: 'Said with much above' }).waitFor()

    let pages = 0
    while (await moreAbove(page)) {
      const seen = await watchPrepend(page)
      assert.ok(seen.drift <= 1, `what is being read moved by ${seen.drift} px when older messages came`)
      assert.ok(seen.rows <= ROWS_MAX, `${seen.rows} rows in the document`)
      if (seen.grew) pages++
      assert.ok(pages < 20)
    }
    assert.ok(pages >= 3, `${pages} older pages were loaded`)
    await log(page).evaluate((scroller) => scroller.scrollTo(0, 0))
    await log(page).getByText('This is where the conversation begins.').waitFor()

    await owner.say(room, 'Said while Ada was far up')
    await page.getByRole('button', { name: '1 new message' }).click()
    await shows(page, 'Said while Ada was far up')
    await page.waitForFunction(() => !document.querySelector('button.animate-rise'))
    assert.ok(await atEnd(page), 'jumping goes to the very end')
    assert.ok(await composer(page).evaluate((field) => field === document.activeElement))

    await log(page).evaluate((scroller) => scroller.scrollTo(0, scroller.scrollHeight / 2))
    await page.getByRole('button', { name: 'Jump to latest' }).waitFor()
    await say(page, 'Sending shows the end')
    await shows(page, 'Sending shows the end')
    await page.waitForTimeout(300)
    assert.ok(await atEnd(page), 'sending goes to the end')
  },
)

/** @param {Client} owner @param {string} room */
async function fill(owner, room) {
  let next = 0
  const talk = async () => {
    for (let i = next++; i < MESSAGES; i = next++) {
      const lines = i % 7 === 0 ? '\nwith a second line\nand a third' : ''
      await owner.say(room, `Message ${i}${' and some more words'.repeat(i % 13)}${lines}`)
    }
  }
  await Promise.all(Array.from({ length: TALKERS }, talk))
}

/** @param {import('playwright-core').Page} page */
const moreAbove = (page) =>
  log(page).evaluate((scroller) => scroller.querySelector('h2') === null && scroller.scrollTop > 0)

/**
 * Goes up once, close enough to the beginning of what is held for older messages to be loaded, and watches a row that is
 * in view in every frame from then on.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<{ drift: number, rows: number, grew: boolean }>}
 */
function watchPrepend(page) {
  return log(page).evaluate(async (scroller) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve))
    const top = scroller.getBoundingClientRect().top
    const inView = () =>
      [...scroller.querySelectorAll('article')].find((row) => row.getBoundingClientRect().top >= top + 40)
    // Before anything moves: what is asked for may be there within the next two frames.
    const height = scroller.scrollHeight
    scroller.scrollTop = Math.min(scroller.scrollTop, 900)
    await frame()
    await frame()
    const position = inView()?.getAttribute('data-position')
    const find = () => scroller.querySelector(`article[data-position="${position}"]`)
    const start = find()?.getBoundingClientRect().top ?? Number.NaN
    let [drift, rows] = [0, 0]
    for (const until = performance.now() + 700; performance.now() < until; ) {
      await frame()
      const now = find()?.getBoundingClientRect().top ?? Number.POSITIVE_INFINITY
      drift = Math.max(drift, Math.abs(now - start))
      rows = Math.max(rows, scroller.querySelectorAll('[data-index]').length)
    }
    const grew = scroller.scrollHeight > height + 200
    if (!grew) scroller.scrollTop = 0
    return { drift, rows, grew }
  })
}
