// One EventSource and what outlives it: does what ./machine.ts says, follows the position of each channel, and tells
// every Stream that shares it.

import { defaultBackoff, draw } from '../backoff.js'
import { Cursor, startOf } from '../channel/cursor.js'
import { messageOf, outcomeOf } from '../channel/channels.js'
import { HubError } from '../errors.js'
import { decodeEvent } from '../protocol/decode.js'
import type { Gap, Message, MessageFrame, OpenEvent, Position, ServerFrame, Skipped, SubscriptionResult } from '../protocol/frames.js'
import { withAffinity } from '../random.js'
import { Alarm, type Timers } from '../timers.js'
import type { TokenSource } from '../token.js'
import { onWake } from '../wake.js'
import { type StreamAlarm, type StreamEffect, type StreamHappening, type Streaming, type StreamRules, streamRules, streamStep } from './machine.js'
import { askWhy, type Fetch, fetchTicket } from './request.js'

/** The part of the EventSource interface that is used. */
export interface EventSourceLike {
  onerror: ((event: never) => void) | null
  addEventListener(name: string, listener: (event: never) => void): void
  close(): void
}

export type EventSourceConstructor = new (url: string) => EventSourceLike

/** What every Stream on a source hears. */
export interface SourceListener {
  changed(now: Streaming, before: Streaming): void
  open(subscriptions: SubscriptionResult[]): void
  message(message: Message): void
  gap(gap: Gap): void
  skipped(skipped: Skipped): void
  drain(withinMs: number): void
  error(error: HubError): void
}

export interface SourceParts {
  /** The address of the stream without affinity, ticket and position. */
  url: string
  affinity: string | undefined
  channels: string[]
  since: Record<string, Position>
  tokens: TokenSource | undefined
  EventSource: EventSourceConstructor
  fetch: Fetch
  timers: Timers
  random: () => number
}

/** The named events of a stream; messages have no name. */
const EVENTS = ['open', 'message', 'gap', 'skipped', 'expiring', 'drain', 'error']

export class Source {
  /** Messages at or below the position that were dropped. */
  duplicates = 0
  readonly #parts: SourceParts
  readonly #rules: StreamRules
  readonly #listeners = new Set<SourceListener>()
  readonly #alarms = new Map<StreamAlarm, Alarm>()
  readonly #cursors: Map<string, Cursor>
  /** The last message of each channel, for who joins late. */
  readonly #latest = new Map<string, Message>()
  readonly #unwake: () => void
  #now: Streaming = { is: 'idle' }
  #source: EventSourceLike | undefined
  #asking: AbortController | undefined
  #heardAt = 0
  #begun = false
  readonly #line: StreamHappening[] = []
  #stepping = false

  constructor(parts: SourceParts) {
    this.#parts = parts
    const token = parts.tokens === undefined ? 'none' : parts.tokens.renewable ? 'renewable' : 'fixed'
    this.#rules = { ...streamRules, backoff: defaultBackoff, token }
    this.#cursors = new Map(parts.channels.map((channel) => [channel, new Cursor(parts.since[channel])]))
    this.#unwake = onWake(() => this.#step({ what: 'wake', quietMs: parts.timers.now() - this.#heardAt }))
  }

  get now(): Streaming {
    return this.#now
  }

  get unused(): boolean {
    return this.#listeners.size === 0
  }

  /** Whether it ever opened: then what a `rewind` asked for has been told already. */
  get begun(): boolean {
    return this.#begun
  }

  position(channel: string): Position | undefined {
    return this.#cursors.get(channel)?.position
  }

  /** A further listener. On an open stream it is told the present state: the last message of each channel. */
  join(listener: SourceListener): void {
    queueMicrotask(() => {
      this.#listeners.add(listener)
      if (this.#now.is === 'open') this.#catchUp(listener)
      this.#step({ what: 'start' })
    })
  }

  leave(listener: SourceListener): void {
    this.#listeners.delete(listener)
  }

  stop(): void {
    this.#unwake()
    this.#step({ what: 'stop' })
  }

  #catchUp(listener: SourceListener): void {
    const latest = this.#parts.channels.flatMap((channel) => this.#latest.get(channel) ?? [])
    listener.open(this.#parts.channels.map((channel) => {
      const position = this.position(channel)
      const replay = this.#latest.get(channel)?.offset
      return { channel, outcome: 'fresh', ...position, ...(replay !== undefined && replay === position?.offset && { from: replay, to: replay }) }
    }))
    for (const message of latest) listener.message(message)
  }

  /** Each step runs to its end before the next, as in ../connection/link.ts. */
  #step(happening: StreamHappening): void {
    this.#line.push(happening)
    if (this.#stepping) return
    this.#stepping = true
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) {
      const before = this.#now
      const { next: now, effects } = streamStep(before, next, this.#rules)
      this.#now = now
      for (const effect of effects) this.#run(effect)
      if (before.is !== now.is) this.#tell((listener) => listener.changed(now, before))
    }
    this.#stepping = false
  }

  #run(effect: StreamEffect): void {
    switch (effect.do) {
      case 'fetch_ticket':
        return this.#ask((signal) => this.#ticket(signal))
      case 'forget_token':
        return this.#parts.tokens?.forget()
      case 'open_source':
        return this.#open(effect.ticket)
      case 'ask_why':
        return this.#ask((signal) => this.#why(effect.ticket, signal))
      case 'drop':
        return this.#drop()
      case 'alarm':
        return this.#alarm(effect.alarm).set(draw(effect, this.#parts.random))
      case 'cancel':
        return this.#alarm(effect.alarm).clear()
      case 'tell_drain':
        return this.#tell((listener) => listener.drain(effect.withinMs))
      case 'tell_error':
        return this.#tell((listener) => listener.error(effect.error))
    }
  }

  async #ticket(signal: AbortSignal): Promise<StreamHappening> {
    const { tokens, fetch, url, affinity, channels } = this.#parts
    try {
      const token = await tokens!.get()
      const answer = await fetchTicket(fetch, withAffinity(new URL('/v1/tickets', url), affinity).href, token, channels, signal)
      return typeof answer === 'string' ? { what: 'ticket', ticket: answer } : { what: 'refused', ...answer }
    } catch (error) {
      return { what: 'refused', verdict: 'again', error: error as HubError }
    }
  }

  async #why(ticket: string | undefined, signal: AbortSignal): Promise<StreamHappening> {
    return { what: 'refused', ...(await askWhy(this.#parts.fetch, this.#url(ticket), ticket !== undefined, signal)) }
  }

  /** Asks something by HTTP; the answer counts unless the attempt was dropped. */
  #ask(question: (signal: AbortSignal) => Promise<StreamHappening>): void {
    const asking = new AbortController()
    this.#asking = asking
    void question(asking.signal).then((happening) => {
      if (this.#asking === asking) this.#step(happening)
    })
  }

  /** The address, with the positions reached so far. */
  #url(ticket: string | undefined): string {
    const url = withAffinity(new URL(this.#parts.url), this.#parts.affinity)
    const positions = this.#parts.channels.map((channel) => this.position(channel))
    if (positions.some((position) => position !== undefined)) url.searchParams.set('last_event_id', eventId(positions))
    if (ticket !== undefined) url.searchParams.set('ticket', ticket)
    return url.href
  }

  #open(ticket: string | undefined): void {
    const source = new this.#parts.EventSource(this.#url(ticket))
    this.#source = source
    this.#heardAt = this.#parts.timers.now()
    for (const name of EVENTS) {
      source.addEventListener(name, (event: { data?: unknown }) => {
        // `open` and `error` are also the names of the browser's own events, which carry no data.
        if (this.#source === source && typeof event.data === 'string') this.#heard(event.data)
      })
    }
    source.onerror = (event: { data?: unknown }) => {
      if (this.#source === source && typeof event.data !== 'string') this.#step({ what: 'broke' })
    }
  }

  #drop(): void {
    const source = this.#source
    this.#source = undefined
    this.#asking?.abort()
    this.#asking = undefined
    for (const alarm of this.#alarms.values()) alarm.clear()
    source?.close()
  }

  #heard(data: string): void {
    this.#heardAt = this.#parts.timers.now()
    const read = decodeEvent(data)
    if (read.is === 'frame') this.#frame(read.frame)
    if (read.is === 'broken') this.#tell((listener) => listener.error(new HubError('protocol', `the hub sent ${read.why}`)))
  }

  #frame(frame: ServerFrame | OpenEvent): void {
    switch (frame.type) {
      case 'open':
        return this.#opened(frame)
      case 'message':
        return this.#message(frame)
      case 'gap':
        return this.#gap(frame)
      case 'skipped':
        this.#cursors.get(frame.channel)?.skipped(frame.count)
        return this.#tell((listener) => listener.skipped({ channel: frame.channel, count: frame.count }))
      case 'expiring':
        return this.#step({ what: 'expiring' })
      case 'drain':
        return this.#step({ what: 'draining', withinMs: frame.within_ms })
      case 'error': {
        const error = new HubError(frame.code, frame.message, { retryAfterMs: frame.retry_after_ms ?? null })
        return this.#tell((listener) => listener.error(error))
      }
      default:
    }
  }

  #opened({ subscriptions }: OpenEvent): void {
    for (const result of subscriptions) {
      if (result.outcome !== undefined) this.#cursors.get(result.channel)?.attach(outcomeOf(result))
    }
    this.#begun = true
    this.#step({ what: 'opened' })
    this.#tell((listener) => listener.open(subscriptions))
    for (const result of subscriptions) {
      if (result.outcome !== 'gap' || startOf(result) === undefined) continue
      const { channel, epoch, from, to, reason } = result
      this.#tell((listener) => listener.gap({ channel, epoch, from, to, reason }))
    }
  }

  #message(frame: MessageFrame): void {
    const cursor = this.#cursors.get(frame.channel)
    if (cursor === undefined) return
    const before = cursor.position
    const verdict = cursor.message(frame)
    if (verdict === 'hole') return this.#hole(`${frame.channel} is at ${before?.offset} and message ${frame.offset} came`)
    if (verdict === 'seen') {
      this.duplicates++
      return
    }
    const message = messageOf(frame)
    this.#latest.set(message.channel, message)
    this.#tell((listener) => listener.message(message))
  }

  #gap({ channel, epoch, from, to, reason }: Gap): void {
    const cursor = this.#cursors.get(channel)
    const before = cursor?.position
    const verdict = cursor?.gap({ epoch, from, to })
    if (verdict === 'hole') return this.#hole(`${channel} is at ${before?.offset} and a gap from ${from} came`)
    if (verdict === 'next') this.#tell((listener) => listener.gap({ channel, epoch, from, to, reason }))
  }

  #hole(what: string): void {
    this.#step({ what: 'violated', error: new HubError('protocol', `${what}: opening the stream again from there`) })
  }

  #tell(say: (listener: SourceListener) => void): void {
    for (const listener of [...this.#listeners]) say(listener)
  }

  #alarm(name: StreamAlarm): Alarm {
    let alarm = this.#alarms.get(name)
    if (alarm === undefined) {
      alarm = new Alarm(this.#parts.timers, () => this.#step({ what: 'rang', alarm: name }))
      this.#alarms.set(name, alarm)
    }
    return alarm
  }
}

/** The id of an event: the positions in the order of the URL, `-` for a channel without one. */
export function eventId(positions: (Position | undefined)[]): string {
  return positions.map((p) => (p === undefined ? '-' : `${p.epoch}.${p.offset.toString(36)}`)).join(',')
}
