// Messages as an async iterator, with a bounded buffer between the socket and a slow loop.

import { HubError } from '../errors.js'

/**
 * Most messages that wait for the loop. When one more comes, the loop gets those that wait and then a `too_slow`
 * error: nothing is left out silently, and the position of the last message that it saw is the place to go on from.
 */
export const ITERATOR_MESSAGES = 1_000

type Waiter<T> = { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void }

export class Mailbox<T> implements AsyncIterableIterator<T> {
  readonly #limit: number
  readonly #left: () => void
  #items: T[] = []
  #waiters: Waiter<T>[] = []
  #end: { error: HubError | null } | undefined

  /** `left` is called once, when nobody will read any more. */
  constructor(left: () => void, limit: number = ITERATOR_MESSAGES) {
    this.#left = left
    this.#limit = limit
  }

  put(item: T): void {
    if (this.#end !== undefined) return
    const waiter = this.#waiters.shift()
    if (waiter !== undefined) return waiter.resolve({ done: false, value: item })
    if (this.#items.length < this.#limit) this.#items.push(item)
    else this.end(new HubError('too_slow', `more than ${this.#limit} messages waited for the loop`))
  }

  end(error: HubError | null): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    this.#left()
    for (const waiter of this.#waiters.splice(0)) this.#finish(waiter)
  }

  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      const item = this.#items.shift()
      if (item !== undefined) resolve({ done: false, value: item })
      else if (this.#end !== undefined) this.#finish({ resolve, reject })
      else this.#waiters.push({ resolve, reject })
    })
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = []
    this.end(null)
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** An error is thrown once; after that the loop is over. */
  #finish({ resolve, reject }: Waiter<T>): void {
    const error = this.#end?.error ?? null
    this.#end = { error: null }
    if (error !== null) reject(error)
    else resolve({ done: true, value: undefined })
  }
}
