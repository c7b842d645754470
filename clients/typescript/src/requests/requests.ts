// Sends requests and brings their answers back: retries by the same key, gives up at the deadline. Knows the queue
// and how to send a text, nothing of what the requests mean.

import { HubError } from '../errors.js'
import { isTemporary } from '../protocol/codes.js'
import type { RequestFrame } from '../protocol/frames.js'
import { Alarm, type Timers } from '../timers.js'
import { type AnswerFrame, type Bounds, type Entry, RequestQueue } from './queue.js'

/** A request that lasts over reconnects. */
export interface Ask {
  giveUpMs: number
  key?: string | undefined
  /** Whether a refusal that may pass is not to be waited for; without it all such are. */
  final?: ((error: HubError) => boolean) | undefined
}

/** Hears the answer at once, before the frame behind it. */
export interface Hearing {
  done: (answer: AnswerFrame) => void
  failed: (error: HubError) => void
}

/** Where a wait without a `retry_after_ms` begins, in milliseconds. */
const RETRY_MS = 1_000

export class Requests {
  readonly #queue: RequestQueue
  readonly #timers: Timers
  readonly #random: () => number
  readonly #send: (text: string) => boolean
  readonly #alarm: Alarm
  #ready = false
  #id = 0

  constructor(parts: { bounds: Bounds; timers: Timers; random: () => number; send: (text: string) => boolean }) {
    this.#queue = new RequestQueue(parts.bounds)
    this.#timers = parts.timers
    this.#random = parts.random
    this.#send = parts.send
    this.#alarm = new Alarm(parts.timers, () => this.#flush())
  }

  /** How many requests wait or are under way. */
  get size(): number {
    return this.#queue.size
  }

  nextId(): number {
    return ++this.#id
  }

  /** Sends a request as soon as that is possible, again on the next connection if need be. */
  ask<A extends AnswerFrame>(frame: RequestFrame, { giveUpMs, key, final }: Ask): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      const deadline = this.#timers.now() + giveUpMs
      const done = (answer: AnswerFrame): void => resolve(answer as A)
      this.#queue.add(frame, { lasting: true, deadline, done, failed: reject, key, final })
      // Behind the subscribes that were asked for before it.
      queueMicrotask(() => this.#flush())
    })
  }

  /** Sends a request on this connection alone: when it is lost, nobody hears of the request again. */
  tell(frame: RequestFrame, giveUpMs: number, hearing: Hearing): void {
    const deadline = this.#timers.now() + giveUpMs
    this.#queue.add(frame, { lasting: false, deadline, ...hearing, key: undefined })
    this.#flush()
  }

  /** The connection is there: everything that waits may go. */
  opened(): void {
    this.#ready = true
    this.#flush()
  }

  lost(): void {
    this.#ready = false
    this.#queue.lost()
    this.#flush()
  }

  answered(frame: AnswerFrame): void {
    this.#queue.settle(frame.id)?.done(frame)
    this.#flush()
  }

  refused(id: number, error: HubError): void {
    if (isTemporary(error.code) && this.#queue.underWay(id)?.final?.(error) !== true) {
      const wait = (error.retryAfterMs ?? RETRY_MS) * (1 + this.#random() / 2)
      this.#queue.retry(id, error.code, this.#timers.now() + wait)
    } else {
      const entry = this.#queue.settle(id)
      entry?.failed(new HubError(error.code, error.message, { retryAfterMs: error.retryAfterMs, key: entry.key }))
    }
    this.#flush()
  }

  /** Requests on this channel wait a while. */
  pauseChannel(channel: string, ms: number): void {
    this.#queue.pauseChannel(channel, this.#timers.now() + ms)
  }

  /** Nothing will be sent any more. */
  close(why: HubError): void {
    this.#ready = false
    this.#alarm.clear()
    for (const entry of this.#queue.clear()) this.#fail(entry, why.code, why.message)
  }

  #flush(): void {
    const now = this.#timers.now()
    for (const entry of this.#queue.expire(now)) this.#fail(entry, 'timeout', 'the hub did not answer in time')
    if (this.#ready) for (const entry of this.#queue.due(now)) this.#send(entry.text)
    const at = this.#queue.wakeAt(now)
    if (at === undefined) this.#alarm.clear()
    else this.#alarm.set(Math.max(0, at - now))
  }

  #fail(entry: Entry, code: HubError['code'], message: string): void {
    const unsure = entry.sent ? ' (it may have been received)' : ''
    entry.failed(new HubError(code, message + unsure, { key: entry.key, uncertain: entry.sent }))
  }
}
