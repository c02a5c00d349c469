import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binary } from '../e2e/support/server.mjs'
import { DESKTOP, World } from '../e2e/support/world.mjs'
import { watchBundle } from './bundle.mjs'
import { busySocket } from './burst.mjs'
import { frames, heap, largestPaint, quantile, slowestKey, watchCommits } from './measure.mjs'
import { report } from './report.mjs'

// The web app in a room of 100 000 real messages: npm run bench [-- file.md]. Counts are held to their budgets; times are told beside an empty page's.

/** @typedef {import('playwright-core').Page} Page */

const file = resolve(process.argv[2] ?? fileURLToPath(new URL('../../docs/benchmarks-web.md', import.meta.url)))
const RUNS = 5
const PAGES_UP = 40
const EMPTY =
  '<!doctype html><title>Empty</title><p>Nothing</p><textarea></textarea><div id="s" style="height:600px;overflow:auto"><div style="height:90000px"></div></div>'

const folder = await mkdtemp(join(tmpdir(), 'parley-web-bench-'))
const { room, user, password } = seed()
const world = await World.start({ folder })
try {
  const runs = []
  for (let run = 1; run <= RUNS; run++) {
    runs.push(await once())
    console.log(`run ${run} of ${RUNS}`, JSON.stringify(runs.at(-1)))
  }
  const { text, over } = report({
    runs,
    machine: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}`,
    browser: world.browser.version(),
  })
  await writeFile(file, text)
  console.log(text)
  if (over.length > 0) {
    console.error(`over budget: ${over.join(', ')}`)
    process.exitCode = 1
  }
} finally {
  await world.end()
  await rm(folder, { recursive: true, force: true })
}

/** 200 000 messages, of which the first 100 000 are in one room. */
function seed() {
  const { PATH } = process.env
  const demo = fileURLToPath(new URL('../../data/ubuntu-irc.jsonl.gz', import.meta.url))
  const seeded = spawnSync(binary, ['seed-demo', '--file', demo], {
    env: { PATH, PARLEY_DATA_DIR: folder, PARLEY_LOG: 'warn' },
    encoding: 'utf8',
  })
  const word = (/** @type {RegExp} */ pattern) => pattern.exec(seeded.stdout)?.[1] ?? ''
  const [user, password] = [word(/sign in as\s+(\S+)/), word(/password\s+(\S+)/)]
  if (!user) throw new Error(`seeding: ${seeded.stdout}${seeded.stderr}`)
  // How much is unread may stand behind the name.
  return { room: /^ubuntu(?!-)/, user, password }
}

/** @param {Page} page */
async function signIn(page) {
  await page.goto('/sign-in')
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: room }).waitFor()
}

async function once() {
  const page = await world.window({ viewport: DESKTOP })
  await page.addInitScript(watchCommits)
  const burst = await busySocket(page)
  const bundle = watchBundle(page)
  await page.goto('/')
  const landing = await largestPaint(page)
  await page.goto('/sign-in')
  await page.waitForLoadState('networkidle')
  const before = await bundle()
  await signIn(page)
  const link = page.getByRole('navigation', { name: 'Rooms' }).getByRole('link', { name: room })
  const pressed = performance.now()
  await link.click()
  await page.locator('[role="log"] article').nth(5).waitFor()
  const opened = performance.now() - pressed
  await page.waitForLoadState('networkidle')
  const after = await bundle()
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  await page.reload()
  await page.locator('[role="log"] article').nth(5).waitFor()
  const painted = await largestPaint(page)

  const up = await scrollUp(page)
  const sender = await page.evaluate(async () => (await (await fetch('/api/v1/me')).json()).user.id)
  await page
    .getByRole('button', { name: /Jump to latest|new message/ })
    .last()
    .click()
  await page.waitForTimeout(500)
  const typing = burst(id, sender, 20, 4)
  const key = await slowestKey(page, '#composer')
  await typing
  await page.locator('#composer').fill('')
  let seconds = 0
  const busy = await frames(page, async () => {
    seconds = await burst(id, sender, 500, 10)
  })
  const rowsAfter = await rows(page)
  const memory = await heap(page)
  await page.context().close()
  world.pages.splice(0)
  return {
    jsBefore: before.js,
    jsRoom: after.js,
    css: after.css,
    rows: Math.max(up.rows, rowsAfter),
    commitsMax: Math.max(...busy.perFrame),
    commitsMean: busy.perFrame.reduce((a, b) => a + b, 0) / busy.perFrame.length,
    burstRate: 5_000 / seconds,
    frameMax: Math.max(...busy.frames),
    heap: memory,
    landing,
    painted,
    opened,
    key,
    fps: up.fps,
    ...(await empty()),
  }
}

/** @param {Page} page */
function rows(page) {
  return page.locator('[role="log"] [data-index]').count()
}

/** Far up by the wheel, as fast as the page follows. @param {Page} page */
async function scrollUp(page) {
  await page.locator('[role="log"]').hover()
  let most = 0
  const seen = await frames(page, async () => {
    for (let turn = 0; turn < PAGES_UP; turn++) {
      await page.mouse.wheel(0, -4_000)
      await page.waitForTimeout(50)
      most = Math.max(most, await rows(page))
    }
  })
  return { rows: most, fps: fps(seen.frames) }
}

/** @param {number[]} times */
function fps(times) {
  return 1_000 / (times.reduce((a, b) => a + b, 0) / times.length)
}

/** What this machine and this browser can do at all, in the same run. */
async function empty() {
  const page = await world.window({ viewport: DESKTOP })
  await page.addInitScript(watchCommits)
  await page.route('**/empty', (route) => route.fulfill({ contentType: 'text/html', body: EMPTY }))
  await page.goto('/empty')
  const emptyPaint = await largestPaint(page)
  const emptyKey = await slowestKey(page, 'textarea')
  await page.locator('#s').hover()
  const seen = await frames(page, async () => {
    for (let turn = 0; turn < PAGES_UP; turn++) {
      await page.mouse.wheel(0, 1_000)
      await page.waitForTimeout(50)
    }
  })
  await page.context().close()
  return { emptyPaint, emptyKey, emptyFps: fps(seen.frames), emptyFrame: quantile(seen.frames, 1) }
}
