/** What is read out of a page: commits of React, frames, memory, the browser's own timings. */

/** @typedef {import('playwright-core').Page} Page */

/** Before anything else runs: React tells its commits to whoever is in the place of its developer tools. */
export const watchCommits = () => {
  const watch = { commits: 0, perFrame: /** @type {number[]} */ ([]), frames: /** @type {number[]} */ ([]), on: false }
  Reflect.set(window, 'watch', watch)
  Reflect.set(window, '__REACT_DEVTOOLS_GLOBAL_HOOK__', {
    supportsFiber: true,
    renderers: new Map(),
    inject: () => 1,
    onCommitFiberRoot: () => watch.commits++,
    onCommitFiberUnmount: () => {},
    onPostCommitFiberRoot: () => {},
  })
  let before = 0
  let seen = 0
  const frame = (/** @type {number} */ now) => {
    if (watch.on && before > 0) {
      watch.frames.push(now - before)
      watch.perFrame.push(watch.commits - seen)
    }
    before = now
    seen = watch.commits
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
}

/** @param {Page} page @param {() => Promise<unknown>} during */
export async function frames(page, during) {
  await page.evaluate(() => Object.assign(Reflect.get(window, 'watch'), { frames: [], perFrame: [], on: true }))
  await during()
  return /** @type {{ frames: number[], perFrame: number[] }} */ (
    await page.evaluate(() => {
      const watch = Reflect.get(window, 'watch')
      watch.on = false
      return { frames: watch.frames, perFrame: watch.perFrame }
    })
  )
}

/** In MiB, after the garbage was collected. @param {Page} page */
export async function heap(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('HeapProfiler.enable')
  await session.send('HeapProfiler.collectGarbage')
  await session.send('Performance.enable')
  const { metrics } = await session.send('Performance.getMetrics')
  await session.detach()
  return (metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0) / 1024 / 1024
}

/** @param {Page} page */
export const largestPaint = (page) =>
  page.evaluate(
    () =>
      /** @type {Promise<number>} */ (
        new Promise((resolve) => {
          new PerformanceObserver((list) => resolve(list.getEntries().at(-1)?.startTime ?? 0)).observe({
            type: 'largest-contentful-paint',
            buffered: true,
          })
          setTimeout(() => resolve(0), 2_000)
        })
      ),
  )

/** The slowest of the keys that are typed. @param {Page} page @param {string} selector */
export async function slowestKey(page, selector) {
  await page.evaluate(() => {
    const keys = { slowest: 0 }
    Reflect.set(window, 'keys', keys)
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries())
        if (Reflect.get(entry, 'interactionId')) keys.slowest = Math.max(keys.slowest, entry.duration)
    }).observe(/** @type {PerformanceObserverInit} */ ({ type: 'event', durationThreshold: 16 }))
  })
  await page.locator(selector).pressSequentially('how fast does it type', { delay: 60 })
  await page.waitForTimeout(300)
  return /** @type {number} */ (await page.evaluate(() => Reflect.get(window, 'keys').slowest))
}

/** @param {number[]} values @param {number} part */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0
}
