// What the tests share: a time that moves when told to, dice that fall as told, and events as a list.

import { WebSocket } from 'ws'
import { Hub, type HubOptions, type Timers } from '../src/index.js'
import { TestServer } from './server.js'

/** A clock that stands still until it is moved. */
export class ManualTimers implements Timers {
  #now = 0
  #next = 1
  readonly #due = new Map<number, { at: number; ring: () => void }>()

  now(): number {
    return this.#now
  }

  setTimeout(ring: () => void, ms: number): number {
    this.#due.set(this.#next, { at: this.#now + ms, ring })
    return this.#next++
  }

  clearTimeout(handle: unknown): void {
    this.#due.delete(handle as number)
  }

  /** Moves the time on, ringing what is due in order. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const [handle, first] = [...this.#due].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0] ?? []
      if (handle === undefined || first === undefined || first.at > end) break
      this.#due.delete(handle)
      this.#now = Math.max(this.#now, first.at)
      first.ring()
    }
    this.#now = end
  }

  /** When the next alarm rings, from now; undefined when there is none. */
  get next(): number | undefined {
    const at = Math.min(...[...this.#due.values()].map((alarm) => alarm.at))
    return at === Infinity ? undefined : at - this.#now
  }
}

/** A small generator with a seed (mulberry32), 0 to below 1. */
export function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Resolves when `done` holds, looking at each `on` of the given sources. Never sleeps. */
export function until(hub: { on(name: never, listener: () => void): () => void }, event: string, done: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (done()) return resolve()
    const off = hub.on(event as never, () => {
      if (!done()) return
      off()
      resolve()
    })
  })
}

/** The next event of a name, with its arguments. */
export function once<A extends unknown[]>(source: { on(name: never, listener: (...args: A) => void): () => void }, event: string): Promise<A> {
  return new Promise((resolve) => {
    const off = source.on(event as never, (...args: A) => {
      off()
      resolve(args)
    })
  })
}

export interface Scene {
  server: TestServer
  hub: Hub
  errors: string[]
  states: string[]
}

/** A scripted hub and a client of it, both gone at the end. Attempts follow each other at once. */
export async function scene(run: (scene: Scene) => Promise<void>, options: Partial<HubOptions> = {}): Promise<void> {
  const server = await TestServer.start()
  const errors: string[] = []
  const states: string[] = []
  const hub = new Hub({
    url: server.url, token: 't0', WebSocket: WebSocket as never, backoff: { firstMs: 1, maxMs: 1 }, random: seeded(7), ...options,
  })
  hub.on('error', (error) => errors.push(error.code))
  hub.on('state', ({ state }) => states.push(state))
  try {
    await run({ server, hub, errors, states })
  } finally {
    hub.close()
    await server.stop()
  }
}

/** Lets everything that is ready to run do so: a turn of the event loop, not a time. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A message frame of `chat:a`. */
export function message(offset: number, fields: Record<string, unknown> = {}): { type: string; [field: string]: unknown } {
  return {
    type: 'message', channel: 'chat:a', id: `01JD${String(offset).padStart(22, '0')}`, epoch: 'e1', offset,
    time: 1_763_600_000_000 + offset, from: 'u2', data: { n: offset }, ...fields,
  }
}
