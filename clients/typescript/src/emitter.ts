// Typed events. A listener that throws does not keep the others from hearing.

type Listener<A extends unknown[]> = (...args: A) => void

/** Something that says what happens to it. */
export class Emitter<Events extends { [name: string]: unknown[] }> {
  readonly #listeners = new Map<keyof Events, Listener<never>[]>()

  /** Calls `listener` on each such event until the returned function (or `off`) is called. */
  on<N extends keyof Events>(name: N, listener: Listener<Events[N]>): () => void {
    // Copied on every change, so that an emit under way walks the list it began with.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener])
    return () => this.off(name, listener)
  }

  off<N extends keyof Events>(name: N, listener: Listener<Events[N]>): void {
    const left = (this.#listeners.get(name) ?? []).filter((other) => other !== (listener as Listener<never>))
    this.#listeners.set(name, left)
  }

  /** Tells all listeners; false when there is none. */
  protected emit<N extends keyof Events>(name: N, ...args: Events[N]): boolean {
    const listeners = this.#listeners.get(name)
    if (listeners === undefined || listeners.length === 0) return false
    for (const listener of listeners) {
      try {
        ;(listener as Listener<Events[N]>)(...args)
      } catch (error) {
        report(error)
      }
    }
    return true
  }

  /** An error that nobody listens to goes to the console: nothing fails silently. */
  protected emitError<N extends keyof Events>(name: N, ...args: Events[N]): void {
    if (!this.emit(name, ...args)) console.error(...args)
  }
}

/** Hands the fault of a listener to the page or the process, outside of our own work. */
function report(error: unknown): void {
  queueMicrotask(() => {
    if (typeof reportError === 'function') reportError(error)
    else throw error
  })
}
