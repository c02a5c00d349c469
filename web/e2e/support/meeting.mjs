import assert from 'node:assert/strict'
import { PASSWORD } from './api.mjs'
import { composer, log } from './conversation.mjs'

/** @typedef {import('playwright-core').Page} Page */

/**
 * As two people do it who have nothing yet: Ada makes a public room, Bo finds it.
 * @param {Page} ada
 * @param {Page} bo
 */
export async function signUpAndMeet(ada, bo) {
  await signUp(ada, 'ada', 'Ada')
  await signUp(bo, 'bo', 'Bo')

  await ada.getByRole('main').getByRole('button', { name: 'Create a room' }).click()
  await ada.getByLabel('Name', { exact: true }).fill('Harbour')
  await ada.getByLabel('Topic').fill('Boats, tides and tea')
  await ada.getByRole('button', { name: 'Create room' }).click()
  await ada.getByRole('heading', { name: 'Harbour', level: 1 }).waitFor()

  await bo.getByRole('main').getByRole('link', { name: 'Browse rooms' }).last().click()
  await bo.getByRole('searchbox', { name: 'Search public rooms' }).fill('harb')
  await bo.getByRole('button', { name: 'Join Harbour' }).click()
  await bo.getByRole('heading', { name: 'Harbour', level: 1 }).waitFor()
  await composer(bo).waitFor()
  await log(ada).getByText('Bo joined').waitFor()
}

/**
 * Who is signed in here becomes a member, without a look at the directory.
 * @param {Page} page
 * @param {string} url
 * @param {string} room
 */
export async function joinRoom(page, url, room) {
  const joined = await page.request.post(`${url}/api/v1/rooms/${room}/join`, { headers: { origin: url } })
  assert.ok(joined.ok(), await joined.text())
}

/** @param {Page} page @param {string} userName @param {string} displayName */
async function signUp(page, userName, displayName) {
  await page.goto('/')
  await page.getByRole('link', { name: 'Create account' }).click()
  await page.getByLabel('User name').fill(userName)
  await page.getByLabel('Display name').fill(displayName)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.waitForURL('**/rooms')
}
