// A subscription of a room beside the list: it makes one present and tells who else is, and brings the events of a room
// that one is not in.

import type { HubError } from '../../errors.js'
import { Alarm } from '../../timers.js'
import { type Presence, Roster } from '../model/roster.js'
import type { Subscription } from '../../subscription.js'
import type { Port } from './port.js'

/** A lost change is asked after at a random moment within this, in milliseconds: all who are there lost it too. */
const SPREAD_MS = 1_000

export interface AttendanceListener {
  /** The subscription begins, or begins again. */
  attached(): void
  /** It is over; null when that was wished. */
  ended(error: HubError | null): void
  changed(): void
}

export class Attendance {
  readonly #port: Port
  readonly #channel: string
  readonly #wantsPresence: boolean
  readonly #listener: AttendanceListener
  readonly #subscription: Subscription
  readonly #roster = new Roster()
  readonly #alarm: Alarm

  constructor(port: Port, channel: string, wantsPresence: boolean, listener: AttendanceListener) {
    this.#port = port
    this.#channel = channel
    this.#wantsPresence = wantsPresence
    this.#listener = listener
    this.#alarm = new Alarm(port.hub.timers, () => void this.#ask())
    this.#subscription = port.hub.subscribe(channel, wantsPresence)
    this.#listen()
  }

  get presence(): Presence | undefined {
    return this.#roster.presence
  }

  close(): void {
    this.#alarm.clear()
    this.#subscription.unsubscribe()
  }

  #listen(): void {
    const subscription = this.#subscription
    subscription.on('outcome', () => {
      this.#listener.attached()
      if (this.#wantsPresence) void this.#ask()
    })
    subscription.on('presence', (change) => this.#judge(this.#roster.change(change)))
    subscription.on('presenceCount', (count) => this.#judge(this.#roster.counted(count)))
    subscription.on('end', (error) => {
      this.#alarm.clear()
      this.#listener.ended(error)
    })
  }

  async #ask(): Promise<void> {
    this.#roster.asking()
    try {
      this.#judge(this.#roster.snapshot(await this.#port.hub.presence(this.#channel)))
    } catch {
      // The next connection asks again; until then the list is what it was.
    }
  }

  #judge(torn: boolean): void {
    if (torn) this.#alarm.set(this.#port.hub.random() * SPREAD_MS)
    this.#listener.changed()
  }
}
