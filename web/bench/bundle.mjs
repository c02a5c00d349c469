import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { dist } from '../e2e/support/server.mjs'

/** Everything that a page has loaded from here, by kind, in KiB as it travels. @param {import('playwright-core').Page} page */
export function watchBundle(page) {
  /** @type {Set<string>} */
  const files = new Set()
  page.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (/\.(js|css)$/.test(pathname)) files.add(pathname)
  })
  return async () => {
    const sizes = { js: 0, css: 0 }
    for (const file of files) {
      const kind = file.endsWith('.css') ? 'css' : 'js'
      sizes[kind] += gzipSync(await readFile(join(dist, file))).length / 1024
    }
    return sizes
  }
}
