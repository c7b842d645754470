// Who is writing in a conversation, and telling that one is. Signs that come late are wrong ones: none waits for a
// connection.

import { Alarm } from '../../timers.js'
import type { Happened } from '../events.js'
import { Writers } from '../model/writers.js'
import type { Surroundings } from './surroundings.js'

/** Least time between two signs, in milliseconds: the hub lets one count for six seconds. */
const SIGN_MS = 4_000
/** Longest that a sign of another counts, in milliseconds, whatever it says. */
const COUNTS_MAX_MS = 60_000

export class Typing {
  readonly writers = new Writers()
  readonly #around: Surroundings
  readonly #alarm: Alarm
  #signedAt = -Infinity

  constructor(around: Surroundings) {
    this.#around = around
    this.#alarm = new Alarm(around.port.hub.timers, () => this.#expire())
  }

  hear({ event, from }: Happened): void {
    const { thread } = this.#around
    if (event?.event === 'typing' && event.thread === thread && event.user !== this.#around.viewer()) {
      this.writers.began(event.user, this.#now + Math.min(event.for_ms, COUNTS_MAX_MS))
    } else if (event?.event === 'message.created' && event.thread === thread && from !== undefined) {
      this.writers.ended(from)
    } else {
      return
    }
    this.#watch()
  }

  /** One is writing. */
  sign(): void {
    const { port, channel, thread } = this.#around
    if (!port.hub.isConnected() || this.#now - this.#signedAt < SIGN_MS) return
    this.#signedAt = this.#now
    port.tell('typing', { channel, thread }, { done: () => {}, failed: () => {} })
  }

  /** What one wrote is sent: the next sign is for another message. */
  sent(): void {
    this.#signedAt = -Infinity
  }

  close(): void {
    this.#alarm.clear()
  }

  get #now(): number {
    return this.#around.port.hub.timers.now()
  }

  #expire(): void {
    const changed = this.writers.expire(this.#now)
    this.#watch()
    if (changed) this.#around.changed()
  }

  #watch(): void {
    const { next } = this.writers
    if (next === undefined) this.#alarm.clear()
    else this.#alarm.set(Math.max(0, next - this.#now))
  }
}
