// The time, as it is handed to everything that waits, and an alarm that can be put off cheaply.

/** Where the time comes from. The default is the one of the platform. */
export interface Timers {
  /** Milliseconds; only differences count. */
  now(): number
  setTimeout(ring: () => void, ms: number): unknown
  clearTimeout(handle: unknown): void
}

/** Wall time on purpose: unlike the monotonic clock of some browsers it goes on while the machine sleeps. */
export const systemTimers: Timers = {
  now: () => Date.now(),
  setTimeout: (ring, ms) => setTimeout(ring, ms),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

/** Rings once, at the time that was set last. Putting it off costs no timer of the platform. */
export class Alarm {
  readonly #timers: Timers
  readonly #ring: () => void
  #deadline: number | undefined
  #armed: { handle: unknown; at: number } | undefined

  constructor(timers: Timers, ring: () => void) {
    this.#timers = timers
    this.#ring = ring
  }

  set(ms: number): void {
    this.#deadline = this.#timers.now() + ms
    if (this.#armed === undefined || this.#armed.at > this.#deadline) this.#arm(this.#deadline)
  }

  clear(): void {
    this.#deadline = undefined
    this.#disarm()
  }

  #arm(at: number): void {
    this.#disarm()
    const handle = this.#timers.setTimeout(() => this.#fire(), Math.max(0, at - this.#timers.now()))
    this.#armed = { handle, at }
  }

  #disarm(): void {
    if (this.#armed !== undefined) this.#timers.clearTimeout(this.#armed.handle)
    this.#armed = undefined
  }

  #fire(): void {
    this.#armed = undefined
    if (this.#deadline === undefined) return
    if (this.#timers.now() < this.#deadline) return this.#arm(this.#deadline)
    this.#deadline = undefined
    this.#ring()
  }
}
