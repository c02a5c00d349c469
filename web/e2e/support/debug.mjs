/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
export const details = (page) => page.getByRole('complementary', { name: 'Connection details' })

/**
 * One value of the open panel.
 * @param {Page} page
 * @param {string} label
 */
export const fact = (page, label) =>
  details(page)
    .locator('div', { has: page.getByText(label, { exact: true }) })
    .locator('dd')

/**
 * @param {Page} page
 * @param {string} label
 */
export const factValue = async (page, label) => (await fact(page, label).textContent()) ?? ''
