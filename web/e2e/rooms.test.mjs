import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { log, say, settled, shows, texts } from './support/conversation.mjs'
import { signUpAndMeet } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

scenario('who leaves a public room and joins it again is back in it, and both go on talking', async (world) => {
  const [ada, bo] = [await world.window(), await world.window()]
  await signUpAndMeet(ada, bo)
  await say(ada, 'Stay a while')
  await shows(bo, 'Stay a while')

  await bo.getByRole('button', { name: 'Room menu' }).click()
  await bo.getByRole('menuitem', { name: 'Leave room' }).click()
  await bo.getByRole('dialog').getByRole('button', { name: 'Leave room' }).click()
  await bo.waitForURL('**/rooms')
  await log(ada).getByText('Bo left').waitFor()

  await bo.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: 'Browse rooms' }).click()
  await bo.getByRole('button', { name: 'Join Harbour' }).click()
  await bo.getByRole('heading', { name: 'Harbour', level: 1 }).waitFor()
  await shows(bo, 'Stay a while')
  await say(bo, 'Here I am again')
  await shows(ada, 'Here I am again')
  await say(ada, 'Welcome back')
  await shows(bo, 'Welcome back')
  const said = ['Stay a while', 'Here I am again', 'Welcome back']
  for (const page of [ada, bo]) assert.deepEqual(texts(await settled(page)), said)
})

scenario(
  'a list that can not be brought up to date keeps what it shows, says so, and can be asked again',
  async (world) => {
    const [ada, bo] = [await world.window(), await world.window()]
    await signUpAndMeet(ada, bo)
    const room = new URL(ada.url()).pathname.split('/').at(-1) ?? ''
    await ada.getByRole('button', { name: /^Members/ }).click()
    const panel = ada.getByRole('complementary', { name: 'Members' })
    await panel.getByRole('listitem').filter({ hasText: 'Bo' }).waitFor()

    let down = true
    const refusal = { status: 503, contentType: 'application/problem+json', body: '{"code":"unavailable"}' }
    await ada.route(/\/members\?/, (route) => (down ? route.fulfill(refusal) : route.continue()))
    const dana = await Client.signUp(world.server.url, 'dana', 'Dana')
    await dana.join(room)
    await panel.getByRole('alert').getByText('The server cannot do this right now.').waitFor()
    assert.equal(await panel.getByRole('listitem').count(), 2, 'what was there is still there')

    down = false
    await panel.getByRole('button', { name: 'Try again' }).click()
    await panel.getByRole('listitem').filter({ hasText: 'Dana' }).waitFor()
    assert.equal(await panel.getByRole('alert').count(), 0)
  },
)
