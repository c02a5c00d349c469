import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { PASSWORD } from './api.mjs'
import { Server } from './server.mjs'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} ContextOptions */

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export const launchBrowser = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args })

export const DESKTOP = { width: 1280, height: 800 }
export const PHONE = { width: 390, height: 844 }

/** What a world needs of what serves it: one server, or a whole cluster. */
/** @typedef {{ url: string, log: () => string, stop: () => Promise<void> }} Host */

/**
 * A server and a browser, both for one test, and what went wrong in its pages.
 * @template {Host} [S=Server]
 */
export class World {
  /** @type {Page[]} */
  pages = []
  /** Errors that no page may ever have. @type {string[]} */
  faults = []
  /** For people, beside the result. @type {(text: string) => void} */
  tell = () => {}

  /**
   * @param {S} server
   * @param {import('playwright-core').Browser} browser
   */
  constructor(server, browser) {
    this.server = server
    this.browser = browser
  }

  /** @param {{ folder?: string }} [options] */
  static async start({ folder } = {}) {
    return World.on(await Server.start(folder))
  }

  /**
   * @template {Host} S
   * @param {S} server
   * @returns {Promise<World<S>>}
   */
  static async on(server) {
    try {
      return new World(server, await launchBrowser())
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  /**
   * A window of a browser that knows nobody.
   * @param {ContextOptions} [options]
   */
  async window(options = {}) {
    const context = await this.browser.newContext({ baseURL: this.server.url, viewport: DESKTOP, ...options })
    context.setDefaultTimeout(15_000)
    const page = await context.newPage()
    page.on('pageerror', (error) => this.faults.push(`${error.stack ?? error}`))
    page.on('console', (message) => {
      if (/Content Security Policy|Maximum update depth|same key/i.test(message.text()))
        this.faults.push(message.text())
    })
    this.pages.push(page)
    return page
  }

  /**
   * A window of somebody new who is signed in already.
   * @param {string} userName
   * @param {ContextOptions & { displayName?: string }} [options]
   */
  async person(userName, { displayName = userName, ...options } = {}) {
    const page = await this.window(options)
    await this.#session(page, '/auth/sign-up', { user_name: userName, password: PASSWORD, display_name: displayName })
    return page
  }

  /**
   * Another window of somebody who has an account.
   * @param {string} userName
   * @param {ContextOptions} [options]
   */
  async signedIn(userName, options = {}) {
    const page = await this.window(options)
    await this.#session(page, '/auth/sign-in', { user_name: userName, password: PASSWORD })
    return page
  }

  async end() {
    try {
      await this.browser.close()
    } finally {
      await this.server.stop()
    }
  }

  /**
   * @param {Page} page
   * @param {string} path
   * @param {object} body
   */
  async #session(page, path, body) {
    const { url } = this.server
    const response = await page
      .context()
      .request.post(`${url}/api/v1${path}`, { data: { ...body, session: 'cookie' }, headers: { origin: url } })
    if (!response.ok()) throw new Error(`${path}: ${response.status()} ${await response.text()}`)
  }
}

/** @type {string | null} */
let pictures = null

/**
 * One test with a world of its own. A failure leaves pictures of every window and the server's last lines.
 * @param {string} sentence
 * @param {(world: World) => Promise<void>} run
 */
export const scenario = (sentence, run) => scenarioOn(() => Server.start(), 90_000, sentence, run)

/**
 * The same on something else than one server.
 * @template {Host} S
 * @param {() => Promise<S>} start
 * @param {number} timeout
 * @param {string} sentence
 * @param {(world: World<S>) => Promise<void>} run
 */
export function scenarioOn(start, timeout, sentence, run) {
  test(sentence, { timeout }, async (t) => {
    const world = await World.on(await start())
    world.tell = (text) => t.diagnostic(text)
    try {
      await run(world)
      if (world.faults.length > 0) throw new Error(`faults in the page:\n${world.faults.join('\n')}`)
    } catch (error) {
      pictures ??= await mkdtemp(join(tmpdir(), 'parley-e2e-failed-'))
      await mkdir(pictures, { recursive: true })
      for (const [index, page] of world.pages.entries()) {
        const path = join(pictures, `${sentence.replace(/\W+/g, '-').slice(0, 60)}-${index + 1}.png`)
        await page
          .screenshot({ path })
          .then(() => t.diagnostic(`picture: ${path}`))
          .catch(() => t.diagnostic(`window ${index + 1} could not be pictured`))
      }
      t.diagnostic(`server:\n${world.server.log()}`)
      throw error
    } finally {
      await world.end()
    }
  })
}
