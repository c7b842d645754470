// Starts the real hub for the browser tests: a process of its own with a data folder of its own, which can be killed
// and started again on the same ports.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const READY = /^ready public=(http:\S+) internal=(http:\S+)$/

export class TestHub {
  #process
  #data
  /** Where pages, `/ws` and `/sse` are. */
  url = 'http://127.0.0.1:0'
  /** Where services publish. */
  internal = 'http://127.0.0.1:0'

  static async start() {
    const hub = new TestHub()
    hub.#data = await mkdtemp(join(tmpdir(), 'hubbub-browser-'))
    await hub.#spawn()
    return hub
  }

  /** The process dies without a word. */
  async kill() {
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }

  /** Starts it again, on the same ports and data. */
  async restart() {
    await this.#spawn()
  }

  async stop() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill()
    await rm(this.#data, { recursive: true, force: true })
  }

  /** Publishes as a service does. */
  async publish(channel, data, conflateKey) {
    const response = await fetch(`${this.internal}/v1/publish`, {
      method: 'POST',
      headers: { Authorization: 'Bearer dev-key', 'Content-Type': 'application/json' },
      body: JSON.stringify({ channel, data, ...(conflateKey && { conflate_key: conflateKey }) }),
    })
    if (!response.ok) throw new Error(`publish answered ${response.status}: ${await response.text()}`)
    return response.json()
  }

  async #spawn() {
    const binary = process.env.HUBBUB_BIN
    if (!binary) throw new Error('HUBBUB_BIN must name the hubbub binary')
    const args = ['serve', '--dev', '--public', new URL(this.url).host, '--internal', new URL(this.internal).host, '--data', this.#data]
    this.#process = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines = createInterface({ input: this.#process.stdout })
    const dead = once(this.#process, 'exit').then(([code]) => {
      throw new Error(`the hub ended with ${code} before it was ready`)
    })
    dead.catch(() => {})
    const ready = new Promise((resolve) => {
      lines.on('line', (line) => {
        const match = READY.exec(line)
        if (match !== null) resolve(match)
      })
    })
    const [, url, internal] = await Promise.race([ready, dead])
    this.url = url.replace(/\/$/, '')
    this.internal = internal.replace(/\/$/, '')
  }
}
