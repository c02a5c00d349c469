import assert from 'node:assert/strict'
import { Client } from './support/api.mjs'
import { composer, log, shows } from './support/conversation.mjs'
import { joinRoom } from './support/meeting.mjs'
import { PHONE, scenario } from './support/world.mjs'

scenario('on a phone reading raises no keyboard, and a message has as many lines as one likes', async (world) => {
  const { url } = world.server
  const owner = await Client.signUp(url, 'chidi', 'Chidi')
  const room = (await owner.createRoom('Garden')).id
  const touch = { viewport: PHONE, hasTouch: true, isMobile: true }
  const phone = await world.person('ada', { displayName: 'Ada', ...touch })
  await joinRoom(phone, url, room)
  await owner.joined(room, 1)
  for (let i = 1; i <= 60; i++) await owner.say(room, `Line ${i}`)
  await phone.goto(`/rooms/${room}`)
  await shows(phone, 'Line 60')
  const focused = () => phone.evaluate(() => document.activeElement?.getAttribute('role') ?? document.activeElement?.id)

  assert.notEqual(await focused(), 'composer')
  await phone.getByRole('button', { name: 'Mark as read' }).tap()
  await phone.getByRole('button', { name: 'Mark as read' }).waitFor({ state: 'detached' })
  assert.equal(await focused(), 'log')
  await log(phone).evaluate((scroller) => scroller.scrollTo(0, 200))
  await phone.getByRole('button', { name: 'Jump to latest' }).tap()
  await phone.getByRole('button', { name: 'Jump to latest' }).waitFor({ state: 'detached' })
  assert.equal(await focused(), 'log')

  await composer(phone).tap()
  await phone.keyboard.type('Milk')
  await phone.keyboard.press('Enter')
  await phone.keyboard.type('Bread')
  assert.equal(await composer(phone).inputValue(), 'Milk\nBread')
  assert.equal(await composer(phone).getAttribute('enterkeyhint'), 'enter')
  await phone.getByRole('button', { name: 'Send', exact: true }).tap()
  const sent = log(phone).locator('article[data-position]', { hasText: 'Bread' })
  assert.equal(await sent.locator('p[dir="auto"]').textContent(), 'Milk\nBread')
})
