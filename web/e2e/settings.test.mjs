import { PASSWORD } from './support/api.mjs'
import { scenario } from './support/world.mjs'

const NEW_PASSWORD = 'a long walk by the sea'

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const openSettings = async (page) => {
  await page.goto('/rooms')
  await page.getByRole('button', { name: /^Your menu/ }).click()
  await page.getByRole('menuitem', { name: 'Settings' }).click()
  await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor()
}

/** @param {Page} page @param {string} current @param {string} fresh @param {string} again */
const changePassword = async (page, current, fresh, again) => {
  await page.getByLabel('Current password').fill(current)
  await page.getByLabel('New password', { exact: true }).fill(fresh)
  await page.getByLabel('New password again').fill(again)
  await page.getByRole('button', { name: 'Change password' }).click()
}

/** Whoever is signed out elsewhere reads why. @param {Page} page */
const isSignedOut = async (page) => {
  await page.waitForURL('**/sign-in?*')
  await page.getByText('You were signed out on this device').waitFor()
}

scenario('a session that is ended in one window is signed out in the other, which says why', async (world) => {
  const here = await world.person('ada', { displayName: 'Ada' })
  const there = await world.signedIn('ada')
  await there.goto('/rooms')
  await there.getByRole('button', { name: /^Your menu/ }).waitFor()

  await openSettings(here)
  await here.getByText(/^This device ·/).waitFor()
  await here.getByRole('button', { name: /^Sign out .* on / }).click()
  await isSignedOut(there)
  await here.getByText('You are signed in nowhere else.').waitFor()

  const again = await world.signedIn('ada')
  await again.goto('/rooms')
  await again.getByRole('button', { name: /^Your menu/ }).waitFor()
  await openSettings(here)
  await here.getByRole('button', { name: 'Sign out everywhere else' }).click()
  await isSignedOut(again)
})

scenario('a new password signs out the other window and no other password counts from then on', async (world) => {
  const here = await world.person('ada', { displayName: 'Ada' })
  const there = await world.signedIn('ada')
  await there.goto('/rooms')
  await there.getByRole('button', { name: /^Your menu/ }).waitFor()

  await openSettings(here)
  await changePassword(here, 'not this one', NEW_PASSWORD, NEW_PASSWORD)
  await here.getByText('This is not your current password.').waitFor()
  await changePassword(here, PASSWORD, NEW_PASSWORD, 'a long walk by the see')
  await here.getByText('The two new passwords differ.').waitFor()
  await changePassword(here, PASSWORD, 'short', 'short')
  await here.getByText('Use at least 8 characters.').waitFor()
  await changePassword(here, PASSWORD, NEW_PASSWORD, NEW_PASSWORD)
  await here.getByText('One other session was signed out.').waitFor()
  await isSignedOut(there)

  await there.getByLabel('User name').fill('ada')
  await there.getByLabel('Password').fill(PASSWORD)
  await there.getByRole('button', { name: 'Sign in' }).click()
  await there.getByText('User name or password is wrong.').waitFor()
  await there.getByLabel('Password').fill(NEW_PASSWORD)
  await there.getByRole('button', { name: 'Sign in' }).click()
  await there.getByRole('button', { name: /^Your menu/ }).waitFor()
})
