import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, readThrough, say, settled, shows, texts } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

scenario(
  'of two messages that were refused one is sent again and arrives once, the other is discarded',
  async (world) => {
    const { url } = world.server
    const owner = await Client.signUp(url, 'chidi', 'Chidi')
    const room = (await owner.createRoom('Harbour')).id
    const [ada, bo] = [
      await world.person('ada', { displayName: 'Ada' }),
      await world.person('bo', { displayName: 'Bo' }),
    ]
    let busy = true
    await ada.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
      const server = socket.connectToServer()
      socket.onMessage((message) => {
        const { type, ref, cid } = JSON.parse(`${message}`)
        if (type === 'send' && busy) socket.send(JSON.stringify({ type: 'rejected', ref, cid, code: 'queue_full' }))
        else server.send(message)
      })
    })
    for (const page of [ada, bo]) {
      await joinRoom(page, url, room)
      await page.goto(`/rooms/${room}`)
      await composer(page).waitFor()
    }
    const failed = (/** @type {string} */ text) => ada.locator('article[data-state="failed"]', { hasText: text })

    for (const text of ['To be sent again', 'To be discarded']) {
      await say(ada, text)
      await failed(text).getByText('The server is busy. Try again in a moment.').waitFor()
    }
    const read = await failed('To be discarded').evaluate((row) =>
      (row.getAttribute('aria-describedby') ?? '').split(' ').map((id) => {
        const part = document.getElementById(id)
        return part?.getAttribute('aria-label') ?? part?.textContent
      }),
    )
    assert.deepEqual(read, ['To be discarded', 'Not sent'], 'whoever hears the row hears what it says and how it fared')

    await ada.reload()
    await failed('To be discarded').waitFor()
    busy = false
    await failed('To be sent again').getByRole('button', { name: 'Retry' }).click()
    await shows(bo, 'To be sent again')
    await failed('To be discarded').getByRole('button', { name: 'Discard' }).click()
    await failed('To be discarded').waitFor({ state: 'detached' })
    await say(ada, 'And on')
    await shows(bo, 'And on')
    const expected = ['To be sent again', 'And on']
    for (const page of [ada, bo]) assert.deepEqual(texts(await settled(page)), expected)
    await ada.reload()
    await shows(ada, 'And on')
    assert.deepEqual(texts(await readThrough(ada)), expected, 'what was discarded does not come back')
  },
)
