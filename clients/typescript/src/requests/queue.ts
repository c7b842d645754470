// Requests that wait for their turn, for an answer or for a better time. Bounded in count and bytes; what does not
// fit is refused. Pure: the time comes in, nothing is sent from here.

import { HubError } from '../errors.js'
import { FRAME_BYTES, utf8Bytes } from '../protocol/limits.js'
import type { AckFrame, ReplyFrame, RequestFrame, SubscribedFrame, UnsubscribedFrame } from '../protocol/frames.js'

/** A frame that answers a request. */
export type AnswerFrame = AckFrame | ReplyFrame | SubscribedFrame | (UnsubscribedFrame & { id: number })

/** A request and what became of it. */
export interface Entry {
  readonly id: number
  readonly channel: string | undefined
  readonly text: string
  readonly bytes: number
  /**
   * Sent again on the next connection when this one is lost, and counted against the bounds of the queue. Others are
   * forgotten with the connection, and bounded by what they serve: two for each channel, one for the token.
   */
  readonly lasting: boolean
  readonly deadline: number
  /** Whether a refusal that may pass is not to be waited for. */
  readonly final?: ((error: HubError) => boolean) | undefined
  /** Whether the hub may have seen it. */
  sent: boolean
  readonly done: (answer: AnswerFrame) => void
  readonly failed: (error: HubError) => void
  /** The idempotency key, for the error. */
  readonly key: string | undefined
}

export interface Bounds {
  /** Most requests that wait or are under way. */
  count: number
  /** The same in bytes. */
  bytes: number
  /** Most requests under way at once; the hub pauses reading above 64. */
  inFlight: number
  /** Requests that are sent each second; the hub refuses above 100, and a refusal costs the order. */
  perSecond: number
  /** Requests that are sent at once before that rate counts; the hub takes 200. */
  burst: number
}

export const defaultBounds: Bounds = { count: 1_000, bytes: 1024 * 1024, inFlight: 32, perSecond: 95, burst: 190 }

export class RequestQueue {
  readonly #bounds: Bounds
  /** Requests of the connection itself first, then the lasting ones; each in the order of their ids. */
  #waiting: Entry[] = []
  readonly #underWay = new Map<number, Entry>()
  /** Nothing is sent before this time. */
  #pausedUntil = 0
  /** Nothing on these channels is sent before these times, so that a retry does not fall behind what came later. */
  readonly #channelPauses = new Map<string, number>()
  #count = 0
  #bytes = 0
  /** How many requests may be sent now, as it was at a time. */
  #allowance: { left: number; at: number }

  constructor(bounds: Bounds) {
    this.#bounds = bounds
    this.#allowance = { left: bounds.burst, at: 0 }
  }

  get size(): number {
    return this.#waiting.length + this.#underWay.size
  }

  /** Takes a request; throws `too_large` or `queue_full` when it can not. */
  add(frame: RequestFrame, facts: Omit<Entry, 'id' | 'channel' | 'text' | 'bytes' | 'sent'>): Entry {
    const text = JSON.stringify(frame)
    const bytes = utf8Bytes(text)
    if (bytes > FRAME_BYTES) {
      throw new HubError('too_large', `the frame has ${bytes} bytes, at most ${FRAME_BYTES} are allowed`, { key: facts.key })
    }
    if (facts.lasting && (this.#count >= this.#bounds.count || this.#bytes + bytes > this.#bounds.bytes)) {
      throw new HubError('queue_full', 'too many requests wait for the hub', { key: facts.key, retryAfterMs: 1_000 })
    }
    const channel = 'channel' in frame ? frame.channel : undefined
    const entry: Entry = { ...facts, id: frame.id, channel, text, bytes, sent: false }
    this.#back([entry])
    this.#account(entry, 1)
    return entry
  }

  /** A request that is under way. */
  underWay(id: number): Entry | undefined {
    return this.#underWay.get(id)
  }

  /** The next requests to send, in their order. They are under way from now on. */
  due(now: number): Entry[] {
    const due: Entry[] = []
    if (now < this.#pausedUntil) return due
    const room = Math.min(this.#bounds.inFlight - this.#underWay.size, this.#allowed(now))
    const left: Entry[] = []
    for (const entry of this.#waiting) {
      if (due.length < room && now >= this.#pauseOf(entry, now)) due.push(entry)
      else left.push(entry)
    }
    for (const entry of due) {
      entry.sent = true
      this.#underWay.set(entry.id, entry)
    }
    this.#waiting = left
    this.#allowance.left -= due.length
    return due
  }

  /** The request was answered; undefined when it is not known (any longer). */
  settle(id: number): Entry | undefined {
    const entry = this.#underWay.get(id)
    if (entry === undefined) return undefined
    this.#underWay.delete(id)
    this.#account(entry, -1)
    return entry
  }

  /** The request was refused for now. A refusal for the rate or the load holds all others as well. */
  retry(id: number, code: string, until: number): void {
    const entry = this.#underWay.get(id)
    if (entry === undefined) return
    this.#underWay.delete(id)
    this.#back([entry])
    if (code === 'rate_limited' || code === 'overloaded') this.#pausedUntil = Math.max(this.#pausedUntil, until)
    else if (entry.channel !== undefined) this.pauseChannel(entry.channel, until)
    else this.#pausedUntil = Math.max(this.#pausedUntil, until)
  }

  pauseChannel(channel: string, until: number): void {
    this.#channelPauses.set(channel, Math.max(this.#channelPauses.get(channel) ?? 0, until))
  }

  /** The connection is gone: lasting requests wait again in their old order, the others are forgotten. */
  lost(): void {
    const all = [...this.#underWay.values(), ...this.#waiting]
    this.#underWay.clear()
    this.#waiting = []
    this.#pausedUntil = 0
    this.#channelPauses.clear()
    // The hub counts each connection anew.
    this.#allowance.left = this.#bounds.burst
    this.#back(all.filter((entry) => entry.lasting))
  }

  /** Takes out what has waited too long. */
  expire(now: number): Entry[] {
    return this.#take((entry) => entry.deadline <= now)
  }

  /** Takes out everything. */
  clear(): Entry[] {
    return this.#take(() => true)
  }

  /** When to look at the queue again, just after `due`; undefined when only an answer can change it. */
  wakeAt(now: number): number | undefined {
    let at = Infinity
    const full = this.#underWay.size >= this.#bounds.inFlight
    const next = now + Math.max(0, Math.ceil(((1 - this.#allowance.left) * 1_000) / this.#bounds.perSecond))
    for (const entry of this.#waiting) {
      at = Math.min(at, entry.deadline)
      const pause = Math.max(this.#pausedUntil, this.#pauseOf(entry, now), next)
      if (!full && pause > now) at = Math.min(at, pause)
    }
    for (const entry of this.#underWay.values()) at = Math.min(at, entry.deadline)
    return at === Infinity ? undefined : at
  }

  /** Whole requests that the rate allows now. */
  #allowed(now: number): number {
    const { perSecond, burst } = this.#bounds
    const passed = Math.max(0, now - this.#allowance.at)
    this.#allowance = { left: Math.min(burst, this.#allowance.left + (passed * perSecond) / 1_000), at: now }
    return Math.floor(this.#allowance.left)
  }

  #pauseOf(entry: Entry, now: number): number {
    if (entry.channel === undefined) return 0
    const until = this.#channelPauses.get(entry.channel)
    if (until === undefined) return 0
    if (until <= now) this.#channelPauses.delete(entry.channel)
    return until
  }

  #back(entries: Entry[]): void {
    // Who subscribes and then publishes wants to hear of it, also when much else waits.
    this.#waiting = [...this.#waiting, ...entries].sort((a, b) => Number(a.lasting) - Number(b.lasting) || a.id - b.id)
  }

  #take(which: (entry: Entry) => boolean): Entry[] {
    const taken = [...this.#underWay.values(), ...this.#waiting].filter(which)
    for (const entry of taken) {
      this.#underWay.delete(entry.id)
      this.#account(entry, -1)
    }
    this.#waiting = this.#waiting.filter((entry) => !which(entry))
    return taken.sort((a, b) => a.id - b.id)
  }

  #account(entry: Entry, sign: 1 | -1): void {
    if (!entry.lasting) return
    this.#count += sign
    this.#bytes += sign * entry.bytes
  }
}
