import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, say, shows } from './support/conversation.mjs'
import { details, fact, factValue } from './support/debug.mjs'
import { joinRoom } from './support/meeting.mjs'
import { PHONE, scenario } from './support/world.mjs'

scenario(
  'the panel tells who serves this window and how far the room is, through other pages and a killed server',
  async (world) => {
    const { url } = world.server
    const owner = await Client.signUp(url, 'chidi', 'Chidi')
    const room = (await owner.createRoom('Harbour')).id
    const ada = await world.person('ada', { displayName: 'Ada', permissions: ['clipboard-read', 'clipboard-write'] })
    await joinRoom(ada, url, room)

    await ada.goto('/rooms')
    await ada.getByRole('button', { name: /^Your menu/ }).click()
    await ada.getByRole('menuitem', { name: /^Connection details/ }).click()
    await fact(ada, 'Connection').getByText('connected').waitFor()
    await fact(ada, 'Came about').getByText('fresh').waitFor()
    const gateway = await factValue(ada, 'Gateway')
    assert.match(gateway, /^[\w.-]{2,}$/, 'the gateway has a name')
    await fact(ada, 'Round trip')
      .getByText(/^\d+(\.\d)? ms$/)
      .waitFor()
    assert.equal(await factValue(ada, 'Cursor'), '–', 'no room is open')

    await ada.getByRole('link', { name: 'Harbour' }).click()
    await fact(ada, 'Cursor').getByText(/^\d+$/).waitFor()
    const before = Number(await factValue(ada, 'Cursor'))
    await say(ada, 'Is the tide in?')
    await shows(ada, 'Is the tide in?')
    await fact(ada, 'Stored below').getByText(/^\d+$/).waitFor()
    const [cursor, stored] = [Number(await factValue(ada, 'Cursor')), Number(await factValue(ada, 'Stored below'))]
    assert.ok(cursor > before, `the cursor went on: ${before} → ${cursor}`)
    assert.ok(stored > before, `what was said is stored: ${stored}`)

    await details(ada).getByRole('button', { name: 'Copy' }).click()
    await details(ada).getByText('Copied').waitFor()
    const copied = (await ada.evaluate(() => navigator.clipboard.readText())).split('\n')
    for (const line of [`Gateway: ${gateway}`, `Cursor: ${cursor}`, `Stored below: ${stored}`, `Room: ${room}`]) {
      assert.ok(copied.includes(line), `“${line}” in ${copied.join(' | ')}`)
    }

    await ada.setViewportSize(PHONE)
    await composer(ada).click({ trial: true })
    const overlap = await ada.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert.ok(overlap <= 0, `${overlap} px stand out on a phone`)

    await world.server.kill()
    await fact(ada, 'Connection')
      .getByText(/waiting|connecting/)
      .first()
      .waitFor()
    assert.equal(await factValue(ada, 'Gateway'), '–', 'nobody serves just now')
    await world.server.start()
    await fact(ada, 'Connection').getByText('connected').waitFor({ timeout: 40_000 })
    await fact(ada, 'Came about').getByText('resumed').waitFor()

    await ada.reload()
    await fact(ada, 'Connection').getByText('connected').waitFor()
    await fact(ada, 'Came about').getByText('fresh').waitFor()
    await ada.keyboard.press('Control+Shift+Period')
    await details(ada).waitFor({ state: 'detached' })
  },
)
