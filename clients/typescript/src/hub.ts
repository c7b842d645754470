// The Hub: puts connection, requests and channels together and gives programs their handle. Decides nothing itself.

import { type Backoff, defaultBackoff } from './backoff.js'
import { Channels, type Counters } from './channel/channels.js'
import { errorOf, Link, type OwnedFrame } from './connection/link.js'
import { type Connection, defaultRules } from './connection/machine.js'
import { socketConstructor, socketUrl } from './connection/socket.js'
import { Emitter } from './emitter.js'
import { HubError } from './errors.js'
import { GIVE_UP_MAX_MS, type HubOptions, type PublishOptions, READ_GIVE_UP_MS } from './options.js'
import * as encode from './protocol/encode.js'
import type {
  Ack, AckFrame, ConnectedFrame, ConnectFrame, HistoryPage, Json, PresenceSnapshot, ReplyFrame, RequestFrame,
  UnsubscribedFrame,
} from './protocol/frames.js'
import { CLIENT_BYTES, FRAME_BYTES, KEY_BYTES, PAGE, utf8Bytes } from './protocol/limits.js'
import { affinity, newKey } from './random.js'
import { defaultBounds } from './requests/queue.js'
import { Requests } from './requests/requests.js'
import type { Lobby } from './rooms/live/lobby.js'
import { Rooms } from './rooms/rooms.js'
import { type SubscribeOptions, Subscription } from './subscription.js'
import { systemTimers, type Timers } from './timers.js'
import { TokenSource } from './token.js'
import { VERSION } from './version.js'
import { onWake } from './wake.js'

/** `waiting`: for the next attempt. `closed`: for good. */
export type HubState = Connection['is']

/** What a state change tells. */
export interface StateChange {
  state: HubState
  previous: HubState
  /** Why the connection is `waiting`, or `closed` by the hub. */
  error: HubError | null
}

/** The session of the present connection. */
export interface Session {
  id: string
  node: string
  user: string
  expiresAt: number
}

export type HubEvents = {
  state: [StateChange]
  /** Something failed that no call reports. Without a listener it goes to the console. */
  error: [HubError]
  /** The node goes away; the Hub reconnects by itself within so many milliseconds. */
  drain: [{ withinMs: number }]
}

/** One connection to the hub, and everything that outlives it. Connects with the first call that needs it. */
export class Hub extends Emitter<HubEvents> {
  /** What was dropped or could not be read. */
  readonly counters: Counters = { duplicates: 0, holes: 0, broken: 0, unknown: 0 }
  readonly #client: string
  readonly #giveUpMs: number
  readonly #timers: Timers
  readonly #random: () => number
  readonly #link: Link
  readonly #requests: Requests
  readonly #channels: Channels
  readonly #unwake: () => void
  #session: Session | undefined
  #rooms: Rooms | undefined
  #lobby: Lobby | undefined

  constructor(options: HubOptions) {
    super()
    const { timers = systemTimers, random = Math.random } = options
    this.#timers = timers
    this.#random = random
    const bounds: Backoff = { ...defaultBackoff, ...options.backoff }
    const tokens = new TokenSource(options.token)
    const name = options.affinity === false ? undefined : (options.affinity ?? affinity())
    this.#client = options.client ?? `hubbub-js/${VERSION}`
    if (utf8Bytes(this.#client) > CLIENT_BYTES) throw new HubError('bad_request', `\`client\` has at most ${CLIENT_BYTES} bytes`)
    this.#giveUpMs = options.giveUpMs ?? 60_000
    this.#link = new Link({
      url: socketUrl(options.url, name),
      WebSocket: socketConstructor(options.WebSocket),
      tokens, timers, random,
      rules: { ...defaultRules, backoff: bounds, renewable: tokens.renewable },
      owner: {
        connectFrame: (token) => this.#connectFrame(token),
        refresh: (token) => this.#refresh(token),
        probe: () => this.#probe(),
        connected: (frame) => this.#connected(frame),
        frame: (frame) => this.#frame(frame),
        ignored: (kind) => void this.counters[kind]++,
        lost: () => this.#lost(),
        changed: (now, before) => this.#changed(now, before),
        drain: (withinMs) => void this.emit('drain', { withinMs }),
        error: (error) => this.emitError('error', error),
      },
    })
    const send = (text: string): boolean => this.#link.send(text)
    this.#requests = new Requests({ bounds: { ...defaultBounds, ...options.queue }, timers, random, send })
    const violated = (error: HubError): void => this.#link.violated(error)
    this.#channels = new Channels({ requests: this.#requests, counters: this.counters, violated })
    this.#unwake = onWake(() => this.wake())
  }

  get state(): HubState {
    return this.#link.now.is
  }

  /** The present session; undefined while there is no connection. */
  get session(): Session | undefined {
    return this.#session
  }

  /** The rooms of the user. From the first look on their list is kept up to date. */
  get rooms(): Rooms {
    this.#rooms ??= this.#openRooms()
    return this.#rooms
  }

  /** Connects now. Every call that needs a connection does this by itself. */
  connect(): void {
    this.#link.start()
  }

  /** The platform woke up or the network changed: try at once, or find out whether the connection still lives. */
  wake(): void {
    this.#link.wake()
  }

  /** Listens to a channel. */
  subscribe<T = Json>(channel: string, options: SubscribeOptions = {}): Subscription<T> {
    const { since, rewind, presence = false, conflate = false } = options
    if (this.state === 'closed') throw this.#closedError()
    if (since !== undefined && rewind !== undefined) throw new HubError('bad_request', '`since` and `rewind` exclude each other')
    if (rewind !== undefined && !(Number.isInteger(rewind) && rewind >= 0 && rewind <= PAGE)) {
      throw new HubError('bad_request', `\`rewind\` is a whole number from 0 to ${PAGE}`)
    }
    this.connect()
    return new Subscription<T>(channel, since, (listener) =>
      this.#channels.join(channel, { since, rewind: rewind === 0 ? undefined : rewind }, { presence, conflate }, listener))
  }

  /**
   * Sends a message; resolves when the hub has taken it. Over lost connections and temporary refusals it is tried
   * again with the same key, so it can not become two messages (on a channel without a log it can: keys mean nothing
   * there). Publishes leave in the order of the calls; after a temporary refusal later ones may overtake.
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Ack> {
    const key = options.key ?? newKey()
    if (JSON.stringify(data) === undefined) throw new HubError('bad_request', 'the data is nothing that JSON can carry', { key })
    for (const text of [key, options.conflateKey ?? key]) {
      if (text === '' || utf8Bytes(text) > KEY_BYTES) throw new HubError('bad_request', `a key is 1 to ${KEY_BYTES} bytes of text`, { key })
    }
    const giveUpMs = Math.min(options.giveUpMs ?? this.#giveUpMs, GIVE_UP_MAX_MS)
    const build = (id: number): RequestFrame => encode.publish(id, channel, data as Json, key, options.conflateKey)
    const { message, epoch, offset, time, scope } = await this.#ask<AckFrame>(build, giveUpMs, key)
    return { message, time, ...(scope && { scope }), ...(epoch !== undefined && offset !== undefined && { epoch, offset }) }
  }

  /** A page of a channel's log: behind `after` ascending, before `before` descending, or the newest descending. */
  async history<T = Json>(channel: string, query: encode.HistoryQuery = {}): Promise<HistoryPage<T>> {
    const reply = await this.#ask<ReplyFrame>((id) => encode.history(id, channel, query), READ_GIVE_UP_MS)
    if ('history' in reply) return reply.history as HistoryPage<T>
    throw new HubError('protocol', 'the hub answered `history` with something else')
  }

  /** Who is in a channel: the first page, or the one behind a user. */
  async presence(channel: string, query: encode.PresenceQuery = {}): Promise<PresenceSnapshot> {
    const reply = await this.#ask<ReplyFrame>((id) => encode.presence(id, channel, query), READ_GIVE_UP_MS)
    if ('presence' in reply) return reply.presence
    throw new HubError('protocol', 'the hub answered `presence` with something else')
  }

  /** Closes for good. What waits for an answer fails with `closed`; subscriptions end. */
  close(): void {
    this.#link.stop()
  }

  #openRooms(): Rooms {
    const rooms = new Rooms({
      requests: this.#requests, timers: this.#timers, random: this.#random, giveUpMs: this.#giveUpMs,
      connect: () => this.#tryConnect(),
      isConnected: () => this.#session !== undefined,
      subscribe: (channel, presence) => this.subscribe(channel, { presence }),
      presence: (channel) => this.presence(channel),
    }, (lobby) => (this.#lobby = lobby))
    if (this.#session !== undefined) this.#lobby?.connected(this.#session.user)
    if (this.state === 'closed') this.#lobby?.close(this.#closedError())
    else this.connect()
    return rooms
  }

  /** Why there is no connection to be had, if so. */
  #tryConnect(key?: string): HubError | undefined {
    if (this.state === 'closed') return this.#closedError(key)
    this.connect()
    return undefined
  }

  #ask<A extends AckFrame | ReplyFrame>(build: (id: number) => RequestFrame, giveUpMs: number, key?: string): Promise<A> {
    const closed = this.#tryConnect(key)
    if (closed !== undefined) return Promise.reject(closed)
    return this.#requests.ask<A>(build(this.#requests.nextId()), { giveUpMs, key })
  }

  #connectFrame(token: string): ConnectFrame {
    const bare = utf8Bytes(JSON.stringify(encode.connect(token, this.#client, []))) + '"resume":[],'.length
    return encode.connect(token, this.#client, this.#channels.resume(FRAME_BYTES - bare))
  }

  #connected(frame: ConnectedFrame): void {
    this.#session = { id: frame.session, node: frame.node, user: frame.user, expiresAt: frame.expires_at }
    this.#channels.connected(frame)
    this.#requests.opened()
    this.#lobby?.connected(frame.user)
  }

  #refresh(token: string): void {
    this.#requests.tell(encode.refresh(this.#requests.nextId(), token), READ_GIVE_UP_MS, {
      done: (answer) => {
        if ('expires_at' in answer && this.#session) this.#session = { ...this.#session, expiresAt: answer.expires_at }
      },
      failed: (error) => this.#link.refreshFailed(error),
    })
  }

  /** Asks for something that costs the hub nothing: it answers that there is no such subscription. */
  #probe(): void {
    this.#link.send(JSON.stringify(encode.unsubscribe(this.#requests.nextId(), 'sdk:probe')))
  }

  #frame(frame: OwnedFrame): void {
    switch (frame.type) {
      case 'message':
        this.#lobby?.message(frame)
        return this.#channels.message(frame)
      case 'gap':
        this.#lobby?.gap(frame)
        return this.#channels.gap(frame)
      case 'skipped':
        return this.#channels.skipped(frame)
      case 'presence':
        return this.#channels.presence(frame)
      case 'presence_count':
        return this.#channels.presenceCount(frame)
      case 'unsubscribed':
        if (frame.id === undefined) return this.#ended(frame)
        return this.#requests.answered({ ...frame, id: frame.id })
      case 'error':
        if (frame.id === undefined) return this.emitError('error', errorOf(frame))
        return this.#requests.refused(frame.id, errorOf(frame))
      default:
        return this.#requests.answered(frame)
    }
  }

  #ended(frame: UnsubscribedFrame): void {
    this.#lobby?.ended(frame.channel)
    this.#channels.ended(frame)
  }

  #lost(): void {
    this.#session = undefined
    this.#requests.lost()
    this.#lobby?.lost()
    this.#channels.lost()
  }

  #changed(now: Connection, before: Connection): void {
    const error = now.is === 'waiting' || now.is === 'closed' ? now.why : null
    if (now.is === 'closed') this.#finish(now.why)
    this.emit('state', { state: now.is, previous: before.is, error })
  }

  #finish(why: HubError | null): void {
    this.#unwake()
    this.#requests.close(why ?? this.#closedError())
    this.#channels.close(why)
    this.#lobby?.close(why ?? this.#closedError())
  }

  #closedError(key?: string): HubError {
    const now = this.#link.now
    const why = now.is === 'closed' ? now.why : null
    return new HubError(why?.code ?? 'closed', why?.message ?? 'the Hub was closed', { key })
  }
}
