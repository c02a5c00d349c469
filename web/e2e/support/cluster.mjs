import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { dist, binary as parley } from './server.mjs'

const program = process.env.CLUSTER_BIN ?? fileURLToPath(new URL('../../../target/debug/cluster', import.meta.url))
/** The first start on a bare machine installs the services and fetches Kafka. */
const START_MS = 300_000
const COMMAND_MS = 90_000
const LOG_LINES = 60
const TRIES = 3
/** As `cluster` lays them out from its base: engines, two gateways, the persister. */
const OFFSETS = [1, 4, 7, 8, 10, 11, 12, 13, 80]

/** @typedef {{ name: string, process: { pid: number } | null, condition: string, restarts: number }} Service */
/** @typedef {{ supervisor: { pid: number }, started: boolean, services: Service[] }} State */

/** Two gateways and a persister behind NGINX, on Kafka, Redis and Postgres: all real, all of this test alone. */
export class Cluster {
  url = ''
  #folder = ''
  /** @type {import('node:child_process').ChildProcess | null} */
  #supervisor = null
  /** @type {string[]} */
  #log = []
  /** Everything that ever ran in it. @type {Set<number>} */
  #pids = new Set()

  static async start() {
    for (let tries = 1; ; tries++) {
      const cluster = new Cluster()
      try {
        await cluster.#start()
        return cluster
      } catch (error) {
        await cluster.stop()
        // Somebody may take a port between our look and the start.
        if (tries === TRIES || !/port \d+|address in use/i.test(cluster.log())) throw error
      }
    }
  }

  async #start() {
    for (const [path, crate] of [
      [program, 'parley-cluster'],
      [parley, 'parley-standalone'],
    ]) {
      if (!existsSync(path ?? '')) throw new Error(`${path} is not there: cargo build -p ${crate}`)
    }
    this.#folder = await mkdtemp(join(tmpdir(), 'parley-e2e-cluster-'))
    // Postgres runs as another user and has to pass through.
    await chmod(this.#folder, 0o755)
    const { base, web } = await freePorts()
    this.url = `http://127.0.0.1:${web}`
    const options = ['--no-prometheus', '--gateways', '2', '--persisters', '1', '--brokers', '1']
    const places = ['--port-base', `${base}`, '--web-port', `${web}`, '--parley', parley, '--web-dir', dist]
    // In the foreground and bound to this process: it ends in order even if the test is killed.
    const bound = ['--pdeathsig', 'TERM', '--', program, '--dir', this.#folder, 'up', '--foreground']
    const child = spawn('setpriv', [...bound, ...options, ...places], {
      env: { ...environment(), PARLEY_LOG: 'warn' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#supervisor = child
    child.once('error', (error) => this.#log.push(`${error}`))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.#log = [...this.#log, line].slice(-LOG_LINES)
      })
    }
    await this.#serves(child)
  }

  /**
   * @param {string} fault
   * @param {string} name
   */
  async fault(fault, name) {
    await this.#command('fault', fault, name)
  }

  /** @returns {Promise<State | null>} */
  async state() {
    const text = await readFile(join(this.#folder, 'state.json'), 'utf8').catch(() => null)
    /** @type {State | null} */
    const state = text === null ? null : JSON.parse(text)
    for (const service of state?.services ?? []) if (service.process) this.#pids.add(service.process.pid)
    return state
  }

  log() {
    return this.#log.join('\n')
  }

  /** Fails if anything that ran in it is still there. */
  async stop() {
    const child = this.#supervisor
    if (!child) return
    await this.state()
    const ended = child.exitCode !== null || child.signalCode !== null || child.pid === undefined
    const exit = ended ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve))
    // Before it has written who it is, `down` would not know it.
    if ((await this.state()) === null) child.kill('SIGTERM')
    await this.#command('down').catch((error) => this.#log.push(`${error}`))
    await Promise.race([exit, pause(COMMAND_MS, undefined, { ref: false })])
    const left = await this.#left()
    await rm(this.#folder, { recursive: true, force: true })
    if (left.length > 0) throw new Error(`still there after the end: ${left.join(', ')}\n${this.log()}`)
  }

  /** @param {import('node:child_process').ChildProcess} child */
  async #serves(child) {
    for (const until = Date.now() + START_MS; Date.now() < until; await pause(100)) {
      if ((await this.state())?.started) return
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) break
    }
    throw new Error(`the cluster did not start:\n${this.log()}`)
  }

  /** A process is ours by the folder that it works in or names: a number alone may be another's by now. */
  async #left() {
    const found = []
    for (const pid of this.#pids) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      if (command.includes(this.#folder) || command.includes(parley))
        found.push(`${pid} ${command.replaceAll('\0', ' ')}`)
    }
    return found
  }

  /** @param {string[]} args */
  async #command(...args) {
    await promisify(execFile)(program, ['--dir', this.#folder, ...args], { env: environment(), timeout: COMMAND_MS })
  }
}

/** Settings of the product in our own environment would be handed on to its processes. */
function environment() {
  const others = ['CLUSTER_DIR', 'GATEWAYS', 'PERSISTERS', 'BROKERS', 'WEB_PORT']
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('PARLEY_') && !others.includes(name)),
  )
}

/** Away from the defaults, from what `cluster` gives to other tests, and from what the system gives to outgoing connections. */
async function freePorts() {
  for (;;) {
    const base = 10_000 + 100 * Math.floor(Math.random() * 99)
    const web = base + 90
    const free = await Promise.all([web, ...OFFSETS.map((offset) => base + offset)].map(isFree))
    if (free.every(Boolean)) return { base, web }
  }
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
