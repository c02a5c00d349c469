/**
 * What two people see of the containers. `scripts/compose-check` starts it, when they run, and again when they have been taken down and brought up:
 *
 *   node e2e/compose.mjs talk|read URL FILE
 *
 * `talk` makes two people, who talk while the gateway that one of them is at is killed, and leaves in FILE what they read; `read` looks whether it is there.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { say, settled, shows, texts } from './support/conversation.mjs'
import { signUpAndMeet } from './support/meeting.mjs'
import { World } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {Awaited<ReturnType<import('playwright-core').BrowserContext['storageState']>>} Session */
/** @typedef {{ path: string, read: string[], ada: Session, bo: Session }} Left */

/** A client waits up to 20 s before it comes back, and a machine that builds images is slow. */
const BACK_MS = 60_000
const WORDS_EACH = 40

const [action, url = '', file = ''] = process.argv.slice(2)

/** @param {World<import('./support/world.mjs').Host>} world */
async function talk(world) {
  const [ada, bo] = [await world.window(), await world.window()]
  const [atAda, atBo] = [gatewaysOf(ada), gatewaysOf(bo)]
  await signUpAndMeet(ada, bo)

  const said = { ada: /** @type {string[]} */ ([]), bo: /** @type {string[]} */ ([]) }
  /** @param {'ada' | 'bo'} who @param {Page} page */
  const speak = async (who, page) => {
    for (let i = 1; i <= WORDS_EACH; i++) {
      said[who].push(`${who} ${i}`)
      await say(page, `${who} ${i}`)
      await page.waitForTimeout(50)
    }
  }
  await Promise.all([say(ada, 'ada is here'), say(bo, 'bo is here')])
  for (const page of [ada, bo]) await Promise.all([shows(page, 'ada is here'), shows(page, 'bo is here')])
  const speaking = Promise.all([speak('ada', ada), speak('bo', bo)])
  await ada.waitForTimeout(500)

  // A gateway has its container's id for a name.
  const [killed] = atAda
  assert.ok(killed, 'a gateway has welcomed Ada')
  const since = Date.now()
  await promisify(execFile)('docker', ['kill', killed])
  await until(() => atAda.length > 1, `Ada finds another gateway than ${killed}`)
  console.log(
    `Ada was at ${killed}, Bo at ${atBo[0]}; killed; Ada is at ${atAda.at(-1)} after ${Date.now() - since} ms`,
  )
  assert.notEqual(atAda.at(-1), killed)
  await speaking

  const read = await bothRead(ada, bo, [`ada ${WORDS_EACH}`, `bo ${WORDS_EACH}`])
  assert.deepEqual(
    read.toSorted(),
    ['ada is here', 'bo is here', ...said.ada, ...said.bo].toSorted(),
    'everything once',
  )
  for (const who of /** @type {const} */ (['ada', 'bo'])) {
    const own = read.filter((text) => /\d$/.test(text) && text.startsWith(who))
    assert.deepEqual(own, said[who], `what ${who} said, in the order it was said`)
  }
  console.log(`both read the same ${read.length} messages, each once, in the same order`)
  const [session, other] = [await ada.context().storageState(), await bo.context().storageState()]
  await writeFile(
    file,
    JSON.stringify(/** @type {Left} */ ({ path: new URL(ada.url()).pathname, read, ada: session, bo: other })),
    { mode: 0o600 },
  )
}

/** @param {World<import('./support/world.mjs').Host>} world */
async function read(world) {
  const left = /** @type {Left} */ (JSON.parse(await readFile(file, 'utf8')))
  const ada = await world.window({ storageState: left.ada })
  const bo = await world.window({ storageState: left.bo })
  await Promise.all([ada, bo].map((page) => page.goto(left.path)))
  assert.deepEqual(await bothRead(ada, bo, left.read.slice(-1)), left.read)
  await Promise.all([say(ada, 'ada is back'), say(bo, 'bo is back')])
  const now = await bothRead(ada, bo, ['ada is back', 'bo is back'])
  assert.deepEqual(now.slice(0, -2), left.read)
  console.log(`both are still signed in, read the same ${left.read.length} messages, and go on talking`)
}

/**
 * What both have on their screens once it is all there, which has to be the same.
 * @param {Page} ada
 * @param {Page} bo
 * @param {string[]} last
 */
async function bothRead(ada, bo, last) {
  for (const page of [ada, bo]) {
    for (const text of last) await page.getByRole('log').getByText(text, { exact: true }).waitFor({ timeout: BACK_MS })
  }
  const [inAda, inBo] = [texts(await settled(ada)), texts(await settled(bo))]
  assert.deepEqual(inAda, inBo, 'both read the same')
  return inAda
}

/**
 * The gateways that welcome a page, in that order.
 * @param {Page} page
 */
function gatewaysOf(page) {
  /** @type {string[]} */
  const gateways = []
  page.on('websocket', (socket) =>
    socket.on('framereceived', ({ payload }) => {
      const frame = JSON.parse(`${payload}`)
      if (frame.type === 'welcome') gateways.push(frame.gateway)
    }),
  )
  return gateways
}

/**
 * @param {() => boolean} holds
 * @param {string} what
 */
async function until(holds, what) {
  for (const late = Date.now() + BACK_MS; !holds(); ) {
    if (Date.now() > late) throw new Error(`not within ${BACK_MS / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const act = action === 'talk' ? talk : action === 'read' ? read : undefined
if (!act || !url || !file) throw new Error('usage: node e2e/compose.mjs talk|read URL FILE')
// The containers are started and stopped by others, who also show what these said.
const world = await World.on({ url, log: () => '', stop: async () => {} })
try {
  await act(world)
  assert.deepEqual(world.faults, [], 'no page had an error')
} finally {
  await world.end()
}
