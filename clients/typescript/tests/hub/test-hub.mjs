// Starts the real hub for the tests of the SDK and of the pages: a process of its own with a data folder of its own,
// which can be killed, drained and started again on the same ports. With HUB_PUBLIC and HUB_INTERNAL the tests talk to
// a hub that runs already, and those that would kill it are left out.

import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const READY = /^ready public=(http:\S+) internal=(http:\S+)$/
/** The built-in key of development mode; a hub without `--dev` refuses it. */
const KEY = { kid: 'dev', secret: 'hubbub-development-secret-not-for-production' }

const running = { url: process.env.HUB_PUBLIC, internal: process.env.HUB_INTERNAL }

/** For `test(name, { skip }, …)` of a test that kills the hub: why it can not be run on one that is not ours. */
export const skipIfNotOurs = running.url === undefined ? false : 'the hub at HUB_PUBLIC must not be killed'

/** A token of development for `sub`, signed here. `exp` is in whole seconds, so it lives up to a second less. */
export function tokenFor(/** @type {string} */ sub, ttlS = 3_600) {
  const now = Math.floor(Date.now() / 1_000)
  const part = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'HS256', typ: 'JWT', kid: KEY.kid })}.${part({ sub, iat: now, exp: now + ttlS })}`
  return `${text}.${createHmac('sha256', KEY.secret).update(text).digest('base64url')}`
}

export class TestHub {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  #data = ''
  /** @type {Record<string, string>} */
  #env
  /** Where pages, `/ws` and `/sse` are. */
  url = 'http://127.0.0.1:0'
  /** Where services publish. */
  internal = 'http://127.0.0.1:0'

  constructor(/** @type {Record<string, string>} */ env) {
    this.#env = env
  }

  /** A hub in development mode; `env` adds configuration, such as `HUBBUB_TOKENS__LEEWAY_S`. */
  static async start(/** @type {Record<string, string>} */ env = {}) {
    const hub = new TestHub(env)
    if (running.url !== undefined && running.internal !== undefined) {
      hub.url = running.url
      hub.internal = running.internal
      return hub
    }
    hub.#data = await mkdtemp(join(tmpdir(), 'hubbub-test-'))
    await hub.#spawn()
    return hub
  }

  /** The process dies without a word. */
  async kill() {
    await this.#end('SIGKILL')
  }

  /** Asks it to drain and waits until it has gone; answers its exit code. */
  async terminate() {
    return this.#end('SIGTERM')
  }

  /** Starts it again, on the same ports and data. */
  async restart() {
    await this.#spawn()
  }

  async stop() {
    const ours = this.#process
    if (ours === undefined) return
    if (ours.exitCode === null && ours.signalCode === null) await this.kill()
    await rm(this.#data, { recursive: true, force: true })
  }

  /** Publishes as a service does. */
  async publish(/** @type {string} */ channel, /** @type {unknown} */ data, /** @type {string | undefined} */ conflateKey = undefined) {
    return this.#post('/v1/publish', { channel, data, ...(conflateKey && { conflate_key: conflateKey }) })
  }

  /** Publishes up to 1,000 in one request; each must be taken. */
  async publishAll(/** @type {{ channel: string, data: unknown, conflate_key?: string }[]} */ messages) {
    const { results } = await this.#post('/v1/batch', { publishes: messages })
    const refused = results.find((/** @type {{ problem?: unknown }} */ result) => result.problem !== undefined)
    if (refused !== undefined) throw new Error(`refused in a batch: ${JSON.stringify(refused)}`)
    return results
  }

  async #post(/** @type {string} */ path, /** @type {object} */ body) {
    const response = await fetch(this.internal + path, {
      method: 'POST',
      headers: { Authorization: 'Bearer dev-key', 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return response.json()
  }

  async #end(/** @type {NodeJS.Signals} */ signal) {
    if (this.#process === undefined) throw new Error('this hub is not ours to end')
    const gone = once(this.#process, 'exit')
    this.#process.kill(signal)
    const [code] = await gone
    return code
  }

  async #spawn() {
    const binary = process.env.HUBBUB_BIN
    if (!binary) throw new Error('HUBBUB_BIN must name the hubbub binary')
    const args = ['serve', '--dev', '--public', new URL(this.url).host, '--internal', new URL(this.internal).host, '--data', this.#data]
    const hub = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...this.#env } })
    this.#process = hub
    const lines = createInterface({ input: hub.stdout })
    const dead = once(hub, 'exit').then(([code]) => {
      throw new Error(`the hub ended with ${code} before it was ready`)
    })
    dead.catch(() => {})
    const ready = new Promise((resolve) => {
      lines.on('line', (line) => {
        const match = READY.exec(line)
        if (match !== null) resolve(match)
      })
    })
    const [, url = '', internal = ''] = await Promise.race([ready, dead])
    this.url = url.replace(/\/$/, '')
    this.internal = internal.replace(/\/$/, '')
  }
}
