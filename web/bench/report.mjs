import { quantile } from './measure.mjs'

/** @typedef {Record<string, number>} Run */

/** Counts and sizes, which no busy machine changes: what is over its budget fails the run. */
const budgets = /** @type {const} */ ([
  ['jsBefore', 'script before sign-in, gzip, KiB', 130],
  ['jsRoom', 'script in a room, gzip, KiB', 220],
  ['css', 'styles, gzip, KiB', 15],
  ['rows', 'rows in the document, 100 000 messages', 120],
  ['commitsMean', 'commits per animation frame at 500 messages/s, mean', 1.05],
  ['heap', 'heap after all of it, MiB', 150],
])

/** Times: this machine's, told beside what it does with an empty page. */
const times = /** @type {const} */ ([
  ['landing', 'emptyPaint', 'largest paint, landing page, ms'],
  ['painted', 'emptyPaint', 'largest paint, room reloaded, ms'],
  ['opened', null, 'room opened from the list, rows there, ms'],
  ['key', 'emptyKey', 'slowest of 21 keys while 20 messages/s arrive, ms'],
  ['frameMax', 'emptyFrame', 'longest frame, ms (at 500 messages/s; empty: scrolling)'],
])

/** @param {{ runs: Run[], machine: string, browser: string }} measured */
export function report({ runs, machine, browser }) {
  const late = (/** @type {string} */ key) =>
    quantile(
      runs.map((run) => run[key] ?? 0),
      0.75,
    )
  const slow = (/** @type {string} */ key) =>
    quantile(
      runs.map((run) => run[key] ?? 0),
      0.25,
    )
  const worst = (/** @type {string} */ key) => Math.max(...runs.map((run) => run[key] ?? 0))
  const over = budgets.filter(([key, , budget]) => worst(key) > budget).map(([, name]) => name)
  const lines = [
    '# The web app, measured',
    '',
    `Written by \`make web-bench\`; every figure below is of one run on ${new Date().toISOString().slice(0, 10)}: ${machine}; Chromium ${browser} without a GPU; debug build of the server, release build of the app.`,
    '',
    'Each of five rounds takes a fresh browser profile, signs in as the demo person, opens the room with 100 000 messages, scrolls far up by the wheel, comes back, types',
    'while 20 messages a second arrive, and takes 500 messages a second for 10 seconds. Those live frames are put into the page’s own socket, so that the page is measured and',
    'not the senders. An empty page (a paragraph, a text field, a tall box) does the same in each round: what it takes is the machine’s share.',
    '',
    '| count | budget | worst of five |',
    '|---|---|---|',
    ...budgets.map(([key, name, budget]) => `| ${name} | ≤ ${budget === 1.05 ? 1 : budget} | ${shown(worst(key))} |`),
    '',
    `Most commits in one animation frame: ${shown(worst('commitsMax'))} (a second one is a measurement of heights or a finished send). Messages reached the page at ${shown(slow('burstRate'))}/s.`,
    '',
    '| time | app, 75th percentile | empty page, 75th percentile |',
    '|---|---|---|',
    ...times.map(([key, beside, name]) => `| ${name} | ${shown(late(key))} | ${beside ? shown(late(beside)) : '–'} |`),
    `| frames a second while scrolling (25th percentile) | ${shown(slow('fps'))} | ${shown(slow('emptyFps'))} |`,
    '',
  ]
  return { text: lines.join('\n'), over }
}

const shown = (/** @type {number} */ value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1))
