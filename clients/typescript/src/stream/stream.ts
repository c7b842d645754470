// The SSE side of the package: a Stream is one program's view of some channels. Streams that ask for the same share
// one EventSource, because a browser opens only six connections to a host.

import { Emitter } from '../emitter.js'
import { HubError } from '../errors.js'
import type { Gap, Json, Message, Position, Skipped, SubscriptionResult } from '../protocol/frames.js'
import { PAGE, SSE_CHANNELS } from '../protocol/limits.js'
import { affinity } from '../random.js'
import { systemTimers, type Timers } from '../timers.js'
import { type TokenProvider, TokenSource } from '../token.js'
import type { Streaming } from './machine.js'
import type { Fetch } from './request.js'
import { type EventSourceConstructor, Source, type SourceListener } from './source.js'

export interface StreamOptions {
  /** The address of the hub: `https://hub.example`. In a page `/` means the page's origin. */
  url: string | URL
  /** Up to 64. */
  channels: string[]
  /** Needed unless every channel's namespace is public. The Stream gets tickets with it. */
  token?: TokenProvider
  /** Begin each channel with its last so many messages. */
  rewind?: number
  /** At most so many flushes a second, 0.1 to 50: each has the latest message of every conflate key. */
  maxRate?: number
  /** Continue behind these positions. */
  since?: Record<string, Position>
  /** Sent to load balancers so that they find the same node again; false for none. Default: random, kept for the tab. */
  affinity?: string | false
  /** An EventSource constructor where the platform has none. */
  EventSource?: EventSourceConstructor
  fetch?: Fetch
  random?: () => number
  timers?: Timers
}

/** `waiting`: for the next attempt. `closed`: for good. */
export type StreamState = Streaming['is']

export type StreamEvents<T> = {
  /** Why it is `waiting`, or `closed` by the hub, is in `error`. */
  state: [{ state: StreamState; previous: StreamState; error: HubError | null }]
  /** Where each channel really starts; after each reconnect too. */
  open: [SubscriptionResult[]]
  message: [Message<T>]
  gap: [Gap]
  skipped: [Skipped]
  drain: [{ withinMs: number }]
  error: [HubError]
}

/** Messages of some channels over server-sent events. Opens at once; goes on by itself behind the last message. */
export class Stream<T = Json> extends Emitter<StreamEvents<T>> {
  readonly channels: readonly string[]
  readonly #shared: Shared
  readonly #listener: SourceListener
  #closed = false

  constructor(options: StreamOptions) {
    super()
    this.channels = [...options.channels]
    this.#shared = share(options)
    this.#listener = {
      changed: (now, before) => {
        const error = now.is === 'waiting' || now.is === 'closed' ? now.why : null
        this.emit('state', { state: now.is, previous: before.is, error })
      },
      open: (subscriptions) => void this.emit('open', subscriptions),
      message: (message) => void this.emit('message', message as Message<T>),
      gap: (gap) => void this.emit('gap', gap),
      skipped: (skipped) => void this.emit('skipped', skipped),
      drain: (withinMs) => void this.emit('drain', { withinMs }),
      error: (error) => this.emitError('error', error),
    }
    this.#shared.source.join(this.#listener)
  }

  get state(): StreamState {
    return this.#closed ? 'closed' : this.#shared.source.now.is
  }

  /** How many messages came again and were dropped, on the EventSource that this Stream may share. */
  get duplicates(): number {
    return this.#shared.source.duplicates
  }

  /** The last position of a channel; undefined before the first and on a channel without a log. */
  position(channel: string): Position | undefined {
    return this.#shared.source.position(channel)
  }

  /** Hears no more. The EventSource closes with the last Stream on it. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    // Behind the microtask in which a join takes place.
    queueMicrotask(() => {
      this.#shared.source.leave(this.#listener)
      if (this.#shared.source.unused) unshare(this.#shared)
    })
  }
}

interface Shared {
  source: Source
  address: string
  token: TokenProvider | undefined
  /** As it was asked for: what is made without being asked for is made once for all that share. */
  affinity: string | false | undefined
}

/** The sources in use. Streams with positions or parts of their own do not share, nor does a `rewind` that comes late. */
let shared: Shared[] = []

function share(options: StreamOptions): Shared {
  const address = addressOf(options)
  const { token, affinity: wish } = options
  const own = options.since !== undefined || options.EventSource !== undefined || options.timers !== undefined
  const fits = ({ source }: Shared): boolean => source.now.is !== 'closed' && !(source.begun && options.rewind !== undefined)
  const found = shared.find((one) => one.address === address && one.token === token && one.affinity === wish && fits(one))
  if (found !== undefined && !own) return found
  const source = new Source({
    url: address,
    affinity: wish === false ? undefined : (wish ?? affinity()),
    channels: [...options.channels],
    since: options.since ?? {},
    tokens: token === undefined ? undefined : new TokenSource(token),
    EventSource: constructorOf(options.EventSource),
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    timers: options.timers ?? systemTimers,
    random: options.random ?? Math.random,
  })
  const made = { source, address, token, affinity: wish }
  if (!own) shared.push(made)
  return made
}

function unshare(one: Shared): void {
  shared = shared.filter((other) => other !== one)
  one.source.stop()
}

function addressOf({ url: base, channels, rewind, maxRate }: StreamOptions): string {
  if (channels.length === 0 || channels.length > SSE_CHANNELS || new Set(channels).size !== channels.length) {
    throw new HubError('bad_request', `a Stream has 1 to ${SSE_CHANNELS} different channels`)
  }
  if (rewind !== undefined && !(Number.isInteger(rewind) && rewind >= 0 && rewind <= PAGE)) {
    throw new HubError('bad_request', `\`rewind\` is a whole number from 0 to ${PAGE}`)
  }
  if (maxRate !== undefined && !(maxRate >= 0.1 && maxRate <= 50)) {
    throw new HubError('bad_request', '`maxRate` is 0.1 to 50 flushes a second')
  }
  const url = new URL(base, typeof location === 'undefined' ? undefined : location.href)
  if (url.pathname === '/') url.pathname = '/sse'
  url.search = ''
  for (const channel of channels) url.searchParams.append('channel', channel)
  if (rewind !== undefined && rewind > 0) url.searchParams.set('rewind', String(rewind))
  if (maxRate !== undefined) url.searchParams.set('max_rate', String(maxRate))
  return url.href
}

function constructorOf(given: EventSourceConstructor | undefined): EventSourceConstructor {
  if (given !== undefined) return given
  if (typeof EventSource === 'function') return EventSource as unknown as EventSourceConstructor
  throw new HubError('not_supported', 'there is no EventSource here: give one in the options')
}
