// Does what the machine says, with a real socket, real alarms and real dice. Knows frames only as far as the
// connection itself is concerned; all others go to its owner.

import { draw } from '../backoff.js'
import { HubError } from '../errors.js'
import { isTemporary } from '../protocol/codes.js'
import { decode } from '../protocol/decode.js'
import { pong } from '../protocol/encode.js'
import type { ClientFrame, ConnectedFrame, ConnectFrame, ErrorFrame, ServerFrame } from '../protocol/frames.js'
import { Alarm, type Timers } from '../timers.js'
import type { TokenSource } from '../token.js'
import { type AlarmName, type Connection, type Effect, type Happening, type Rules, silenceMs, step } from './machine.js'
import type { Socket, SocketConstructor } from './socket.js'

/** Frames that are for the owner of the link. */
export type OwnedFrame = Exclude<ServerFrame, { type: 'connected' | 'ping' | 'expiring' | 'drain' }>

export interface LinkOwner {
  /** The first frame of a connection. */
  connectFrame(token: string): ConnectFrame
  /** Brings a new token; its answer ends in `Link.refreshFailed` or in nothing. */
  refresh(token: string): void
  /** Sends something that the hub must answer. */
  probe(): void
  connected(frame: ConnectedFrame): void
  frame(frame: OwnedFrame): void
  ignored(kind: 'broken' | 'unknown'): void
  /** The attempt or connection is over; another may follow. */
  lost(): void
  changed(now: Connection, before: Connection): void
  drain(withinMs: number): void
  error(error: HubError): void
}

export interface LinkParts {
  url: string
  WebSocket: SocketConstructor
  tokens: TokenSource
  rules: Rules
  timers: Timers
  random: () => number
  owner: LinkOwner
}

const OPEN = 1

export class Link {
  readonly #parts: LinkParts
  readonly #alarms = new Map<AlarmName, Alarm>()
  #now: Connection = { is: 'idle' }
  #socket: Socket | undefined
  #token = ''
  /** Tells a token that was asked for from one that is no longer wanted. */
  #asked = 0
  #silenceMs = 0
  #greeting: ConnectedFrame | undefined
  readonly #line: Happening[] = []
  #stepping = false

  constructor(parts: LinkParts) {
    this.#parts = parts
  }

  get now(): Connection {
    return this.#now
  }

  start(): void {
    this.#step({ what: 'start' })
  }

  stop(): void {
    this.#step({ what: 'stop' })
  }

  wake(): void {
    this.#step({ what: 'wake' })
  }

  violated(error: HubError): void {
    this.#step({ what: 'violated', error })
  }

  refreshFailed(error: HubError): void {
    this.#step({ what: 'refresh_failed', error, temporary: isTemporary(error.code) })
  }

  /** Sends a frame; false when there is no open socket. */
  send(text: string): boolean {
    if (this.#socket === undefined || this.#socket.readyState !== OPEN) return false
    this.#socket.send(text)
    return true
  }

  /** Each step runs to its end before the next: what a listener does while it hears of one waits in line. */
  #step(happening: Happening): void {
    this.#line.push(happening)
    if (this.#stepping) return
    this.#stepping = true
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift()) this.#take(next)
    this.#stepping = false
  }

  #take(happening: Happening): void {
    const before = this.#now
    const { next, effects } = step(before, happening, this.#parts.rules)
    this.#now = next
    for (const effect of effects) this.#run(effect)
    if (before.is !== next.is) this.#parts.owner.changed(next, before)
  }

  #run(effect: Effect): void {
    switch (effect.do) {
      case 'fetch_token':
        return this.#fetchToken()
      case 'forget_token':
        return this.#parts.tokens.forget()
      case 'open_socket':
        return this.#open()
      case 'send_connect':
        return this.#say(this.#parts.owner.connectFrame(this.#token))
      case 'send_refresh':
        return this.#parts.owner.refresh(this.#token)
      case 'probe':
        return this.#parts.owner.probe()
      case 'greet':
        return this.#greeting && this.#parts.owner.connected(this.#greeting)
      case 'drop':
        this.#drop()
        return this.#parts.owner.lost()
      case 'alarm':
        return this.#alarm(effect.alarm).set(draw(effect, this.#parts.random))
      case 'cancel':
        return this.#alarm(effect.alarm).clear()
      case 'tell_drain':
        return this.#parts.owner.drain(effect.withinMs)
      case 'tell_error':
        return this.#parts.owner.error(effect.error)
    }
  }

  #fetchToken(): void {
    const asked = ++this.#asked
    const mine = (happening: () => Happening): void => {
      if (asked === this.#asked) this.#step(happening())
    }
    this.#parts.tokens.get().then(
      (token) => mine(() => ((this.#token = token), { what: 'token' })),
      (error: HubError) => mine(() => ({ what: 'token_failed', error })),
    )
  }

  #open(): void {
    let socket: Socket
    try {
      socket = new this.#parts.WebSocket(this.#parts.url)
    } catch (cause) {
      const error = new HubError('network', `the address ${this.#parts.url} can not be opened`, { cause })
      return this.#step({ what: 'violated', error })
    }
    this.#socket = socket
    const mine = (): boolean => this.#socket === socket
    socket.onopen = () => mine() && this.#step({ what: 'opened' })
    socket.onmessage = (event: { data: unknown }) => mine() && this.#heard(event.data)
    socket.onclose = (event: { code: number; reason: string }) =>
      mine() && this.#step({ what: 'closed', code: event.code, reason: String(event.reason) })
    // A close always follows, and says more.
    socket.onerror = () => {}
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#asked++
    for (const alarm of this.#alarms.values()) alarm.clear()
    if (socket === undefined) return
    // What the old socket still says is not for us; its error event must have a listener (`ws` throws without).
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.onerror = () => {}
    try {
      socket.close(1000)
    } catch {
      // Closed already.
    }
  }

  #heard(data: unknown): void {
    if (this.#now.is === 'connected') {
      this.#alarm('silence').set(this.#silenceMs)
      this.#alarm('probe').clear()
    }
    const read = decode(String(data))
    if (read.is === 'frame') return this.#frame(read.frame)
    this.#parts.owner.ignored(read.is)
    if (read.is === 'broken') this.#parts.owner.error(new HubError('protocol', `the hub sent ${read.why}`))
  }

  #frame(frame: ServerFrame): void {
    switch (frame.type) {
      case 'connected':
        return this.#connected(frame)
      case 'ping':
        return this.#say(pong)
      case 'expiring':
        return this.#step({ what: 'expiring' })
      case 'drain':
        return this.#step({ what: 'draining', withinMs: frame.within_ms })
      case 'error':
        if (frame.id === undefined && this.#now.is === 'connecting') return this.#step({ what: 'refused', error: errorOf(frame) })
        return this.#parts.owner.frame(frame)
      default:
        return this.#parts.owner.frame(frame)
    }
  }

  #connected(frame: ConnectedFrame): void {
    this.#silenceMs = silenceMs(frame.heartbeat_ms, this.#parts.rules)
    this.#greeting = frame
    this.#step({ what: 'connected', heartbeatMs: frame.heartbeat_ms })
  }

  #say(frame: ClientFrame): void {
    this.send(JSON.stringify(frame))
  }

  #alarm(name: AlarmName): Alarm {
    let alarm = this.#alarms.get(name)
    if (alarm === undefined) {
      alarm = new Alarm(this.#parts.timers, () => this.#step({ what: 'rang', alarm: name }))
      this.#alarms.set(name, alarm)
    }
    return alarm
  }
}

/** The error that a frame carries. */
export function errorOf(frame: ErrorFrame): HubError {
  return new HubError(frame.code, frame.message, { retryAfterMs: frame.retry_after_ms ?? null })
}
