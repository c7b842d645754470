// What the tests against the real hub share: clients of it which are gone at the end, and waiting for what they hear.

import { test as nodeTest } from 'node:test'
import { WebSocket } from 'ws'
import { Hub, type HubOptions, type Json, type Message, type Subscription } from '../../src/index.js'
import { type TestHub, tokenFor } from './test-hub.mjs'

/** A test with a limit of its own, so that one that hangs is named and its hub is ended all the same. */
export const test = (name: string, run: () => Promise<void>): void => void nodeTest(name, { timeout: 30_000 }, run)

/** Clients of one test. */
export class Clients {
  readonly #hub: TestHub
  readonly #open: Hub[] = []

  constructor(hub: TestHub) {
    this.#hub = hub
  }

  /** A client of `user` that looks for a lost hub often. Faults that no call reports end up in `faults`. */
  of(user: string, options: Partial<HubOptions> = {}): Hub {
    const client = new Hub({
      url: this.#hub.url, token: () => tokenFor(user), WebSocket: WebSocket as never, backoff: { firstMs: 50, maxMs: 200 }, ...options,
    })
    client.on('error', (error) => this.faults.push(`${user}: ${error.code}: ${error.message}`))
    this.#open.push(client)
    return client
  }

  readonly faults: string[] = []

  close(): void {
    for (const client of this.#open) client.close()
  }
}

/** Runs a test with clients that are closed at its end. */
export function withClients(hub: () => TestHub, run: (clients: Clients) => Promise<void>): () => Promise<void> {
  return async () => {
    const clients = new Clients(hub())
    try {
      await run(clients)
    } finally {
      clients.close()
    }
  }
}

/** Everything that a subscription tells, in its order. */
export class Heard {
  readonly messages: Message[] = []
  /** Outcomes, gaps and the end, in short. */
  readonly events: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor(subscription: Subscription) {
    const note = (event: string): void => {
      this.events.push(event)
      this.#look()
    }
    subscription.on('message', (message) => {
      this.messages.push(message)
      this.#look()
    })
    subscription.on('outcome', (o) => note('from' in o ? `${o.outcome} ${o.from}-${o.to}` : `${o.outcome} ${o.offset ?? ''}`.trim()))
    subscription.on('gap', (gap) => note(`gap ${gap.from}-${gap.to} ${gap.reason}`))
    subscription.on('presence', ({ event, user }) => note(`${event} ${user}`))
    subscription.on('end', (error) => note(`end ${error?.code ?? ''}`.trim()))
  }

  get data(): Json[] {
    return this.messages.map(({ data }) => data)
  }

  get offsets(): (number | undefined)[] {
    return this.messages.map(({ offset }) => offset)
  }

  /** Resolves when `done` holds, looking at each thing heard. */
  until(done: (heard: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!done(this)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  count(messages: number): Promise<void> {
    return this.until((heard) => heard.messages.length >= messages)
  }

  hears(event: string): Promise<void> {
    return this.until((heard) => heard.events.includes(event))
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

/** The whole numbers from one to another. */
export const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)
