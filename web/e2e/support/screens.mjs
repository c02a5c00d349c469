import { Client } from './api.mjs'
import { composer } from './conversation.mjs'
import { details } from './debug.mjs'
import { joinRoom } from './meeting.mjs'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ garden: string, others: string[], bo: Client, chidi: Client }} Place */
/** `close` puts away what would stand on the next screen. */
/** @typedef {{ name: string, signedIn: boolean, open: (page: Page) => Promise<unknown>, close?: (page: Page) => Promise<unknown> }} Screen */

/**
 * Two people, a few rooms, and a conversation that a third can join.
 * @param {string} url
 * @returns {Promise<Place>}
 */
export async function furnish(url) {
  const bo = await Client.signUp(url, 'bo', 'Bo')
  const chidi = await Client.signUp(url, 'chidi', 'Chidi')
  await bo.update({ status_text: 'On the ferry until noon' })
  const garden = await bo.createRoom('Community garden', { topic: 'Plots, tools and who waters when' })
  const reading = await chidi.createRoom('Reading circle', { topic: 'One book a month' })
  const trains = await chidi.createRoom('Night trains', { topic: 'Routes worth sleeping on' })
  await bo.createRoom('Bread', { topic: 'Starters, flour, failures' })
  await chidi.join(garden.id)
  await bo.join(reading.id)
  await bo.say(reading.id, 'I am on the last chapter.')
  await chidi.say(trains.id, 'The timetable for the winter is out.')
  return { garden: garden.id, others: [reading.id, trains.id], bo, chidi }
}

/**
 * Into the rooms, and once around the table in the garden.
 * @param {Page} page
 * @param {string} url
 * @param {Place} place
 */
export async function join(page, url, { garden, others, bo, chidi }) {
  for (const room of [...others, garden]) {
    await joinRoom(page, url, room)
  }
  await page.goto(`/rooms/${garden}`)
  await composer(page).waitFor()
  /** @param {string} text */
  const ada = async (text) => {
    await composer(page).fill(text)
    // By the button, as on a phone: there Enter begins a line.
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    // In the log, not only on its way: what is answered to it has to come after it.
    await page.locator('article[data-position]', { hasText: text.split('\n')[0] }).waitFor()
  }
  const beans = await bo.say(garden, 'Good news: the beans by the shed have come up. All of them, I think.')
  await ada('They have. I counted fourteen rows on my way to work.')
  await ada('Who has the key to the tool box this week?')
  const key = await chidi.say(
    garden,
    'Me, until Sunday. It hangs on the hook behind the door again, the new lock arrived.',
  )
  await chidi.say(garden, 'And the hose is mended, so please try it before you carry cans.')
  await bo.say(garden, 'You are a treasure 🌱')
  await ada('For Saturday I would bring:\n- two bags of compost\n- the long rake\n- coffee for everybody')
  await bo.say(garden, 'Then I bring cake. How to space the courgettes is here: https://example.org/garden/courgettes')
  await chidi.say(garden, 'Saturday at ten, then. If it rains we sort seeds in the shed.')
  await ada('Ten it is.')
  await bo.vote(garden, key, 1)
  await chidi.vote(garden, beans, 1)
  await bo.vote(garden, beans, -1)
  await page.getByRole('button', { name: 'Vote down, 1' }).waitFor()
  const up = page.locator('article', { hasText: 'Me, until Sunday' }).getByRole('button', { name: 'Vote up, 1' })
  await up.click()
  await page.locator('article[data-position]').nth(12).waitFor()
}

/**
 * @param {Place} place
 * @returns {Screen[]}
 */
export const screens = ({ garden }) => [
  { name: 'landing', signedIn: false, open: (page) => page.goto('/') },
  { name: 'sign-in', signedIn: false, open: (page) => page.goto('/sign-in') },
  { name: 'sign-up', signedIn: false, open: (page) => page.goto('/sign-up') },
  {
    name: 'rooms',
    signedIn: true,
    open: async (page) => {
      await page.goto('/rooms')
      await page.getByRole('link', { name: 'Community garden' }).waitFor()
    },
  },
  {
    name: 'directory',
    signedIn: true,
    open: async (page) => {
      await page.goto('/rooms/directory')
      await page.getByRole('link', { name: 'Open Community garden' }).waitFor()
    },
  },
  {
    name: 'conversation',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      await page.getByText('Ten it is.').waitFor()
    },
  },
  {
    name: 'who-voted',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      const row = page.locator('article', { hasText: 'Me, until Sunday' })
      await row.getByRole('button', { name: 'Who voted' }).click()
      await page.getByRole('dialog', { name: 'Who voted' }).getByText('Bo').waitFor()
    },
  },
  {
    name: 'top-messages',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      await page.getByRole('button', { name: 'Top messages' }).click()
      await page.getByRole('complementary', { name: 'Top messages' }).getByRole('listitem').first().waitFor()
    },
  },
  {
    name: 'settings',
    signedIn: true,
    open: async (page) => {
      await page.goto('/settings')
      await page.getByText(/^This device ·/).waitFor()
    },
  },
  { name: 'session-ended', signedIn: false, open: (page) => page.goto('/sign-in?ended=true') },
  {
    name: 'unread',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      const row = page.locator('article', { hasText: 'You are a treasure' })
      await row.focus()
      await page.keyboard.press('u')
      await page.getByTestId('new-line').waitFor()
      await page.keyboard.press('Escape')
    },
    close: async (page) => {
      await page.keyboard.press('Escape')
      await page.getByTestId('new-line').waitFor({ state: 'detached' })
    },
  },
  {
    name: 'quick-switcher',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      await page.getByText('Ten it is.').waitFor()
      await page.keyboard.press('Control+k')
      await page.getByRole('option').nth(1).waitFor()
    },
    close: (page) => page.keyboard.press('Escape'),
  },
  {
    name: 'shortcuts',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      await page.getByText('Ten it is.').waitFor()
      await page.keyboard.press('Control+/')
      await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    },
    close: (page) => page.keyboard.press('Escape'),
  },
  {
    name: 'connection-details',
    signedIn: true,
    open: async (page) => {
      await page.goto(`/rooms/${garden}`)
      await page.getByText('Ten it is.').waitFor()
      if (!(await details(page).isVisible())) await page.keyboard.press('Control+Shift+Period')
      await details(page).getByText('connected').waitFor()
    },
    close: (page) => page.keyboard.press('Control+Shift+Period'),
  },
]
