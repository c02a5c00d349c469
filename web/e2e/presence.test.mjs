import { signUpAndMeet } from './support/meeting.mjs'
import { scenario } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

scenario('two people see each other online, and who closes the window is offline soon', async (world) => {
  const [ada, bo] = [await world.window(), await world.window()]
  await signUpAndMeet(ada, bo)
  for (const page of [ada, bo]) await members(page, '2 online').waitFor()
  await members(ada, '2 online').click()
  const panel = ada.getByRole('complementary', { name: 'Members' })
  for (const name of ['Ada', 'Bo'])
    await panel.getByRole('listitem').filter({ hasText: name }).getByText('Online').waitFor()

  await bo.context().close()
  await members(ada, '1 online').waitFor()
  const gone = panel.getByRole('listitem').filter({ hasText: 'Bo' })
  await gone.getByText('Online').waitFor({ state: 'detached' })
  await panel.getByRole('listitem').filter({ hasText: 'Ada' }).getByText('Online').waitFor()
})

/** @param {Page} page @param {string} online */
const members = (page, online) => page.getByRole('button', { name: new RegExp(`^Members, 2 members, ${online}$`) })
