import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, log, say, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

const hostile = [
  '<script>window.__ran = 1</script>',
  '<img src=x onerror="window.__ran = 2">',
  '<a href="javascript:window.__ran=3">press</a>',
  'javascript:window.__ran=4',
  '[press](javascript:window.__ran=5)',
  '"><svg/onload=window.__ran=6>',
  'data:text/html,<script>window.__ran=7</script>',
]
/** Marks piled up on letters, and a hundred people joined into one. */
const piled = `Z${'\u0301'.repeat(60)}algo`
const shownOfPiled = `Z${'\u0301'.repeat(4)}algo`
const woman = '\u{1f469}'
const joined = Array.from({ length: 100 }, () => woman).join('\u200d')
const OVERRIDE = '\u202e'

scenario('hostile text is shown as text and does nothing', async (world) => {
  const { url } = world.server
  const owner = await Client.signUp(url, 'chidi', '<b>Chidi</b>')
  const room = await owner.createRoom('<img src=x onerror=window.__ran=8>', {
    topic: '<script>window.__ran=9</script>',
  })
  const [ada, bo] = [await world.person('ada', { displayName: 'Ada' }), await world.person('bo', { displayName: 'Bo' })]
  await ada.request.patch(`${url}/api/v1/me`, {
    headers: { origin: url },
    data: { status_text: '<svg/onload=window.__ran=10>' },
  })
  /** @type {string[]} */
  const elsewhere = []
  for (const page of [ada, bo]) {
    page.on('dialog', (dialog) => {
      world.faults.push(`a dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) elsewhere.push(request.url())
    })
    await joinRoom(page, url, room.id)
    await page.goto(`/rooms/${room.id}`)
    await composer(page).waitFor()
  }
  await owner.say(room.id, 'Nothing to see')
  for (const text of hostile) await say(ada, text)
  await say(ada, `pay ${OVERRIDE}gnp.exe now`)
  await say(ada, 'see https://example.com/a?b=<script> and http://example.com/\u202egpj.exe')
  for (const text of [piled, joined]) await say(ada, text)
  await say(ada, 'The end')

  for (const page of [ada, bo]) {
    await shows(page, 'The end')
    for (const text of [...hostile, shownOfPiled, woman.repeat(100)]) await shows(page, text)
    const found = await log(page).evaluate((list) => ({
      markup: list.querySelectorAll('script, img, iframe, object, embed, form, [onerror], [onload], [onclick]').length,
      links: [...list.querySelectorAll('a')].map((link) => ({ href: link.href, rel: link.rel })),
      spills: [...list.querySelectorAll('article p')].filter((text) => text.scrollWidth > text.clientWidth).length,
      overrides: /[\u202a-\u202e\u2066-\u2069]/u.test(list.textContent ?? ''),
    }))
    assert.equal(found.markup, 0, 'no element came from a message')
    assert.equal(found.spills, 0, 'every text stays within its row')
    assert.ok(!found.overrides, 'no override reaches the page')
    assert.ok(found.links.length >= 1, 'an honest link is still a link')
    for (const link of found.links) {
      assert.match(link.href, /^https?:\/\/example\.com\//)
      assert.equal(link.rel, 'noopener noreferrer nofollow')
    }
    assert.equal(await page.evaluate(() => Reflect.get(window, '__ran')), undefined, 'nothing ran')
    await page.getByRole('button', { name: /^Members/ }).click()
    await page.getByRole('complementary', { name: 'Members' }).getByText('<b>Chidi</b>').waitFor()
    await page.getByRole('complementary', { name: 'Members' }).getByText('<svg/onload=window.__ran=10>').waitFor()
    await page.goto('/rooms/directory')
    await page.getByRole('main').getByText('<script>window.__ran=9</script>').waitFor()
    assert.equal(await page.evaluate(() => Reflect.get(window, '__ran')), undefined, 'nothing ran in the directory')
  }
  assert.deepEqual(elsewhere, [], 'nothing was asked of anybody else')
})
