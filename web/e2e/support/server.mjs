import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const binary = process.env.PARLEY_BIN ?? fileURLToPath(new URL('../../../target/debug/parley', import.meta.url))
export const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const START_MS = 20_000
const STOP_MS = 15_000
const LOG_LINES = 40

/** The real server on a folder of its own. It can be killed and started again: same port, same folder. */
export class Server {
  url = ''
  /** @type {import('node:child_process').ChildProcess | null} */
  #process = null
  #folder = ''
  #keepFolder = false
  #listen = '127.0.0.1:0'
  /** @type {string[]} */
  #log = []

  /** @param {string} [folder] a data folder that already exists and is left as it is */
  static async start(folder) {
    const server = new Server()
    server.#keepFolder = folder !== undefined
    server.#folder = folder ?? (await mkdtemp(join(tmpdir(), 'parley-e2e-data-')))
    await server.start()
    return server
  }

  async start() {
    if (!existsSync(binary)) throw new Error(`${binary} is not there: cargo build -p parley-standalone`)
    if (!existsSync(join(dist, 'index.html'))) throw new Error('dist is not there: npm run build')
    const child = spawn(binary, ['serve'], {
      env: {
        PATH: process.env.PATH,
        PARLEY_LISTEN: this.#listen,
        PARLEY_ADMIN_LISTEN: '127.0.0.1:0',
        PARLEY_DATA_DIR: this.#folder,
        PARLEY_WEB_DIR: dist,
        PARLEY_LOG: 'warn',
        // Tests say and read a thousand things at once; how the app takes a limit is tested where the limits are.
        PARLEY_LIMIT_SENDS: '1000/s,2000',
        PARLEY_LIMIT_VOTES: '1000/s,2000',
        PARLEY_LIMIT_READS: '1000/s,2000',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#log = [...this.#log, line].slice(-LOG_LINES)
      })
    }
    this.url = await this.#address(child)
    this.#listen = new URL(this.url).host
    await this.#answers()
  }

  /** No goodbye: what was acknowledged has to be there afterwards, and nothing else may be relied on. */
  async kill() {
    await this.#end('SIGKILL')
  }

  async stop() {
    await this.#end('SIGTERM')
    if (!this.#keepFolder) await rm(this.#folder, { recursive: true, force: true })
  }

  log() {
    return this.#log.join('\n')
  }

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @returns {Promise<string>}
   */
  #address(child) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the server did not start:\n${this.log()}`)), START_MS)
      const failed = () => {
        clearTimeout(late)
        reject(new Error(`the server ended at its start:\n${this.log()}`))
      }
      child.once('close', failed)
      child.stdout?.on('data', (data) => {
        const url = /listening on (http:\/\/\S+)/.exec(`${data}`)?.[1]
        if (!url) return
        clearTimeout(late)
        child.off('close', failed)
        resolve(url)
      })
    })
  }

  async #answers() {
    for (const until = Date.now() + START_MS; Date.now() < until; ) {
      const response = await fetch(`${this.url}/api/v1/me`).catch(() => null)
      if (response && response.status < 500) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`the server does not answer:\n${this.log()}`)
  }

  /** @param {'SIGKILL' | 'SIGTERM'} signal */
  async #end(signal) {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await ended
    clearTimeout(late)
  }
}
