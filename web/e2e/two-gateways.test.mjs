import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster } from './support/cluster.mjs'
import { log, say, settled, shows, texts } from './support/conversation.mjs'
import { details, fact, factValue } from './support/debug.mjs'
import { signUpAndMeet } from './support/meeting.mjs'
import { scenarioOn } from './support/world.mjs'

/** @typedef {import('playwright-core').Page} Page */

const PROMISED_MS = 2_000
/** Beside other tests, on a small machine, three times the promise is allowed. */
const ALLOWED_MS = 3 * PROMISED_MS
const BETWEEN_MS = 150
const RECONNECTS_MAX = 20

scenarioOn(
  Cluster.start,
  480_000,
  'the gateway of one person is killed while two talk: the app goes on at the other gateway, and both read everything once',
  async (world) => {
    const cluster = world.server
    const [ada, bo] = [await world.window(), await world.window()]
    await signUpAndMeet(ada, bo)
    const lost = await onTwoGateways(ada, bo)
    const kept = await factValue(bo, 'Gateway')

    const [adas, bos] = [talker(ada, 'Ada'), talker(bo, 'Bo')]
    await pause(1_000)
    // It stays dead, so that only the other gateway can be what brings them together again.
    await cluster.fault('unsupervise', lost)
    const killed = Date.now()
    await cluster.fault('kill9', lost)
    const [fromBo, fromAda] = [bos.next(), adas.next()]
    const after = await Promise.all([
      fact(ada, 'Gateway')
        .getByText(kept, { exact: true })
        .waitFor()
        .then(() => Date.now() - killed),
      shows(ada, fromBo).then(() => Date.now() - killed),
      shows(bo, fromAda).then(() => Date.now() - killed),
    ])
    world.tell(
      `after the kill: connected in ${after[0]} ms, reads in ${after[1]} ms, is read in ${after[2]} ms; promised ${PROMISED_MS}`,
    )
    await pause(500)
    const said = [...(await adas.stop()), ...(await bos.stop())]

    assert.equal(await factValue(ada, 'Came about'), 'resumed')
    assert.equal(await factValue(bo, 'Gateway'), kept, 'the other person was not cut off')
    for (const page of [ada, bo]) for (const text of [adas.last(), bos.last()]) await shows(page, text)
    const [inAda, inBo] = [texts(await settled(ada)), texts(await settled(bo))]
    assert.deepEqual(inAda, inBo, 'both read the same, in the same order')
    assert.deepEqual(inAda.toSorted(), said.toSorted(), 'everything once')
    for (const who of ['Ada', 'Bo']) {
      const own = inAda.filter((text) => text.startsWith(who))
      assert.deepEqual(
        own,
        said.filter((text) => text.startsWith(who)),
        `what ${who} said, in the order it was said`,
      )
    }
    for (const ms of after) assert.ok(ms <= ALLOWED_MS, `${ms} ms, where ${ALLOWED_MS} are allowed`)
  },
)

/**
 * Until the panels name two gateways; the one of the first person.
 * @param {Page} ada
 * @param {Page} bo
 */
async function onTwoGateways(ada, bo) {
  for (const page of [ada, bo]) {
    await page.keyboard.press('Control+Shift+Period')
    await details(page).waitFor()
  }
  for (let tries = 0; tries < RECONNECTS_MAX; tries++) {
    for (const page of [ada, bo]) await fact(page, 'Connection').getByText('connected', { exact: true }).waitFor()
    const [one, other] = [await factValue(ada, 'Gateway'), await factValue(bo, 'Gateway')]
    if (one !== other) return one
    await bo.reload()
    await log(bo).getByText('Bo joined').waitFor()
  }
  throw new Error(`after ${RECONNECTS_MAX} reconnects both are still served by one gateway`)
}

/**
 * Somebody who goes on talking until stopped.
 * @param {Page} page
 * @param {string} name
 */
function talker(page, name) {
  /** @type {string[]} */
  const said = []
  let over = false
  const talk = async () => {
    while (!over) {
      said.push(`${name} says ${said.length + 1}`)
      await say(page, said.at(-1) ?? '')
      await pause(BETWEEN_MS)
    }
  }
  const talking = talk()
  // Whoever waits for what is said next would otherwise wait in vain and hide why.
  talking.catch(() => {})
  return {
    /** What is said next: surely after now. */
    next: () => `${name} says ${said.length + 1}`,
    last: () => said.at(-1) ?? '',
    stop: async () => {
      over = true
      await talking
      return said
    },
  }
}
