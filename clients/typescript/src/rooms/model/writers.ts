// Who is writing now, and until when that counts. Pure: the time comes in.

/** Most writers that are remembered: nobody reads more names than that. */
const WRITERS = 20

export class Writers {
  readonly #until = new Map<string, number>()
  #users: readonly string[] = []

  /** By id. The same array as long as nobody begins or ends. */
  get users(): readonly string[] {
    return this.#users
  }

  /** When to look again; undefined when nobody writes. */
  get next(): number | undefined {
    return this.#until.size === 0 ? undefined : Math.min(...this.#until.values())
  }

  /** Somebody is writing. Whether that is new. */
  began(user: string, until: number): boolean {
    const isNew = !this.#until.has(user)
    if (isNew && this.#until.size >= WRITERS) return false
    this.#until.set(user, until)
    return isNew && this.#changed()
  }

  /** Somebody has sent a message. Whether they counted as writing. */
  ended(user: string): boolean {
    return this.#until.delete(user) && this.#changed()
  }

  /** Whether somebody is over. */
  expire(now: number): boolean {
    const over = [...this.#until].filter(([, until]) => until <= now)
    for (const [user] of over) this.#until.delete(user)
    return over.length > 0 && this.#changed()
  }

  #changed(): true {
    this.#users = [...this.#until.keys()].sort()
    return true
  }
}
