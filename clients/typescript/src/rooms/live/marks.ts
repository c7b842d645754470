// Sends up to where somebody has read: at most once a second, one at a time, and of several the latest.

import { Alarm, type Timers } from '../../timers.js'

/** Least time between two marks, in milliseconds: scrolling moves them at every frame. */
const PAUSE_MS = 1_000

export class Marks {
  readonly #send: (ordinal: number) => Promise<void>
  readonly #alarm: Alarm
  #wanted: number | undefined
  #sending: number | undefined
  #resting = false

  /** `send` settles when the hub has taken the mark or will not. */
  constructor(timers: Timers, send: (ordinal: number) => Promise<void>) {
    this.#send = send
    this.#alarm = new Alarm(timers, () => {
      this.#resting = false
      this.#next()
    })
  }

  /** Everything up to here was read. `known` is what the hub knows already. */
  want(ordinal: number, known: number | undefined): void {
    if (ordinal === (this.#wanted ?? this.#sending ?? known)) return
    this.#wanted = ordinal
    this.#next()
  }

  close(): void {
    this.#wanted = undefined
    this.#alarm.clear()
  }

  #next(): void {
    if (this.#wanted === undefined || this.#sending !== undefined || this.#resting) return
    const ordinal = this.#wanted
    this.#sending = ordinal
    this.#wanted = undefined
    this.#resting = true
    this.#alarm.set(PAUSE_MS)
    void this.#send(ordinal).finally(() => {
      this.#sending = undefined
      this.#next()
    })
  }
}
