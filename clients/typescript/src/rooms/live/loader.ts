// Asks for pages, one at a time and in the order of the wishes, and again when what was had is torn or the connection
// is new. Knows nothing of what a page is.

import { HubError } from '../../errors.js'
import { Alarm, type Timers } from '../../timers.js'

/** Most wishes that wait; one more is refused with `queue_full`. */
const WISHES = 8
/** How long a page that came too late, or not at all, is waited with until it is asked for again, in milliseconds. */
const PAUSE_MS = 1_000

export interface LoaderParts<Wish, Answer> {
  timers: Timers
  /** Asks on this connection. False when there is nothing to ask for. */
  ask(wish: Wish, hearing: { done(answer: Answer): void; failed(error: HubError): void }): boolean
  /** The answer came. False when it has to be asked for again. */
  take(wish: Wish, answer: Answer): boolean
  /** What brings everything that is held up to date; undefined when nothing is. */
  refresh(): Wish | undefined
  /** Loading began or ended. */
  changed(): void
}

interface Waiting<Wish> {
  wish: Wish
  name: string
  promise: Promise<void>
  resolve(): void
  reject(error: HubError): void
}

const REFRESH = 'refresh'

export class Loader<Wish, Answer> {
  readonly #parts: LoaderParts<Wish, Answer>
  readonly #pause: Alarm
  #line: Waiting<Wish>[] = []
  #underWay: Waiting<Wish> | undefined
  /** Whether what happens comes to us, so that nothing can be missed behind a page. */
  #fed = false
  #resting = false
  #error: HubError | null = null
  /** Why nothing can be had, until the next connection. */
  #refusal: HubError | undefined

  constructor(parts: LoaderParts<Wish, Answer>) {
    this.#parts = parts
    this.#pause = new Alarm(parts.timers, () => {
      this.#resting = false
      this.#next()
    })
  }

  get loading(): boolean {
    return this.#underWay !== undefined || this.#line.length > 0
  }

  /** Why the last page could not be had; null once one could. */
  get error(): HubError | null {
    return this.#error
  }

  /** Asks for a page; the same wish by its name shares one. */
  want(wish: Wish, name = JSON.stringify(wish)): Promise<void> {
    const same = [...this.#line, ...(this.#underWay ? [this.#underWay] : [])].find((waiting) => waiting.name === name)
    if (same !== undefined) return same.promise
    if (this.#refusal !== undefined) return rejected(this.#refusal)
    if (this.#line.length >= WISHES) return rejected(new HubError('queue_full', 'too many pages are asked for', { retryAfterMs: PAUSE_MS }))
    const waiting = waitingFor(wish, name)
    this.#line.push(waiting)
    this.#next()
    if (this.loading) this.#parts.changed()
    return waiting.promise
  }

  /** From now on what happens comes to us: what is held has to be made right first. */
  fed(): void {
    this.#fed = true
    this.#refusal = undefined
    this.tear()
    this.#next()
  }

  /** What is held is torn: it is asked for again before anything else. */
  tear(): void {
    if (this.#underWay?.name === REFRESH || this.#line[0]?.name === REFRESH) return
    const wish = this.#parts.refresh()
    if (wish === undefined) return
    this.#line.unshift(waitingFor(wish, REFRESH))
    this.#next()
  }

  /** The connection is gone, and with it the question under way. */
  lost(): void {
    this.#fed = false
    this.#refusal = undefined
    this.#resting = false
    this.#pause.clear()
    if (this.#underWay !== undefined) this.#line.unshift(this.#underWay)
    this.#underWay = undefined
  }

  /** Nothing can be had on this connection: everything that waits fails, and what is wished from now on. */
  fail(error: HubError): void {
    this.lost()
    this.#error = error
    this.#refusal = error
    for (const waiting of this.#line.splice(0)) waiting.reject(error)
    this.#parts.changed()
  }

  #next(): void {
    if (!this.#fed || this.#resting || this.#underWay !== undefined) return
    for (let waiting = this.#line.shift(); waiting !== undefined; waiting = this.#line.shift()) {
      if (this.#ask(waiting)) return
      waiting.resolve()
    }
  }

  #ask(waiting: Waiting<Wish>): boolean {
    this.#underWay = waiting
    const asked = this.#parts.ask(waiting.wish, {
      done: (answer) => this.#done(waiting, answer),
      failed: (error) => this.#failed(waiting, error),
    })
    if (!asked) this.#underWay = undefined
    return asked
  }

  #done(waiting: Waiting<Wish>, answer: Answer): void {
    this.#underWay = undefined
    if (!this.#parts.take(waiting.wish, answer)) return this.#rest(waiting)
    this.#error = null
    waiting.resolve()
    this.#next()
    this.#parts.changed()
  }

  #failed(waiting: Waiting<Wish>, error: HubError): void {
    this.#underWay = undefined
    this.#error = error
    if (error.code === 'timeout' && waiting.name === REFRESH) this.#rest(waiting)
    else waiting.reject(error)
    this.#next()
    this.#parts.changed()
  }

  #rest(waiting: Waiting<Wish>): void {
    this.#line.unshift(waiting)
    this.#resting = true
    this.#pause.set(PAUSE_MS)
  }
}

function waitingFor<Wish>(wish: Wish, name: string): Waiting<Wish> {
  let resolve = (): void => {}
  let reject = (_: HubError): void => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { wish, name, promise: watched(promise), resolve, reject }
}

function rejected(error: HubError): Promise<void> {
  return watched(Promise.reject(error))
}

/** Whoever wished may not look: what failed is shown by `error` as well. */
function watched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}
