// Messages a second over the last ten seconds.

const WINDOW_S = 10

export class Rate {
  readonly #now: () => number
  #second = 0
  /** Counts of the last seconds, the present one last. */
  readonly #counts: number[] = [0]

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#second = this.#present()
  }

  count(): void {
    this.#roll()
    this.#counts[this.#counts.length - 1]! += 1
  }

  perSecond(): number {
    this.#roll()
    // The present second is not over yet; alone it is all there is.
    const whole = this.#counts.length > 1 ? this.#counts.slice(0, -1) : this.#counts
    return whole.reduce((sum, count) => sum + count, 0) / whole.length
  }

  #roll(): void {
    const present = this.#present()
    for (let passed = Math.min(present - this.#second, WINDOW_S + 1); passed > 0; passed--) this.#counts.push(0)
    this.#second = present
    this.#counts.splice(0, this.#counts.length - WINDOW_S - 1)
  }

  #present(): number {
    return Math.floor(this.#now() / 1_000)
  }
}
