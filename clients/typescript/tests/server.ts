// A scripted hub: a real WebSocket server on a free port that records what the client says and says what the test
// tells it to. It knows no rules of its own.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket as Peer, WebSocketServer } from 'ws'

type Frame = Record<string, unknown> & { type: string }

/** One connection, from the hub's side. */
export class Session {
  readonly #peer: Peer
  readonly url: string
  readonly #frames: Frame[] = []
  #waiters: (() => void)[] = []
  closed = false
  /** Every frame of the client in the order of its coming. */
  readonly order: Frame[] = []

  constructor(peer: Peer, url: string) {
    this.#peer = peer
    this.url = url
    peer.on('message', (text) => {
      const frame = JSON.parse(String(text)) as Frame
      this.order.push(frame)
      this.#frames.push(frame)
      this.#wake()
    })
    peer.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  /** The next frame of this type, in whatever order it came with others. */
  next(type: string): Promise<Frame> {
    return this.#first(type, (frame) => frame.type === type)
  }

  /** The next operation of rooms of this name. */
  op(op: string): Promise<Frame> {
    return this.#first(op, (frame) => frame.type === 'room' && frame.op === op)
  }

  /** How many frames of this type, or operations of this name, came and were not asked for. */
  pending(type: string): number {
    return this.#frames.filter((frame) => frame.type === type || frame.op === type).length
  }

  async #first(what: string, fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const index = this.#frames.findIndex(fits)
      if (index >= 0) return this.#frames.splice(index, 1)[0] as Frame
      if (this.closed) throw new Error(`the client left without a ${what} frame`)
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  /** Until the client has closed this connection. */
  async gone(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  say(frame: object | string): void {
    this.#peer.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** Says several frames in one write, so that the client reads them in one go. */
  sayAll(...frames: object[]): void {
    const socket = (this.#peer as unknown as { _socket: { cork(): void; uncork(): void } })._socket
    socket.cork()
    for (const frame of frames) this.say(frame)
    socket.uncork()
  }

  /** Answers the connect frame; subscriptions as in the protocol. */
  async welcome(fields: Record<string, unknown> = {}): Promise<Frame> {
    const connect = await this.next('connect')
    this.say({
      type: 'connected', session: '01JD000000000000000000TEST', node: 'n1', user: 'u1', heartbeat_ms: 25_000,
      expires_at: 4_000_000_000_000, subscriptions: [], ...fields,
    })
    return connect
  }

  close(code: number, reason = ''): void {
    this.#peer.close(code, reason)
  }

  /** The connection breaks without a word. */
  cut(): void {
    this.#peer.terminate()
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}

export class TestServer {
  readonly #server: WebSocketServer
  readonly #sessions: Session[] = []
  #waiters: (() => void)[] = []
  #stopped = false
  /** How many connections there have been. */
  count = 0

  readonly #port: number

  private constructor(server: WebSocketServer) {
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
    server.on('connection', (peer, request) => {
      this.count++
      this.#sessions.push(new Session(peer, request.url ?? ''))
      for (const waiter of this.#waiters.splice(0)) waiter()
    })
  }

  static async start(): Promise<TestServer> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    return new TestServer(server)
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The next connection. */
  async session(): Promise<Session> {
    for (;;) {
      const session = this.#sessions.shift()
      if (session !== undefined) return session
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    for (const peer of this.#server.clients) peer.terminate()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
