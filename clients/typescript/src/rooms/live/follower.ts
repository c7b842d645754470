// Asks for the snapshots of the list that ../model/following.ts says are needed.

import type { HubError } from '../../errors.js'
import { Alarm } from '../../timers.js'
import type { Ask, Following } from '../model/following.js'
import type { RoomsAnswer } from '../operations.js'
import type { Port } from './port.js'

/** How long a snapshot that came too late, or not at all, is waited with until it is asked for again, in milliseconds. */
const PAUSE_MS = 1_000

export interface FollowerListener {
  /** The list is another one, or (`all` false) some rooms of it are. */
  followed(all: boolean): void
  /** The list could not be had. */
  failed(error: HubError): void
}

export class Follower {
  readonly #port: Port
  readonly #following: Following
  readonly #listener: FollowerListener
  readonly #pause: Alarm
  #resting = false

  constructor(port: Port, following: Following, listener: FollowerListener) {
    this.#port = port
    this.#following = following
    this.#listener = listener
    this.#pause = new Alarm(port.hub.timers, () => this.#awake())
  }

  connected(viewer: string): void {
    this.#following.connected(viewer)
    this.look()
  }

  lost(): void {
    this.#resting = false
    this.#pause.clear()
    this.#following.lost()
  }

  /** Something came: perhaps there is something to ask for now. */
  look(): void {
    if (this.#resting) return
    const ask = this.#following.next()
    if (ask !== undefined) this.#ask(ask)
  }

  #ask(ask: Ask): void {
    const fields = ask.all ? { follow: true, after: ask.after } : { follow: true, channels: ask.channels }
    this.#port.tell('rooms', fields, {
      done: (answer) => this.#answered(ask, answer),
      failed: (error) => this.#failed(ask, error),
    })
  }

  #answered(ask: Ask, answer: RoomsAnswer): void {
    const more = this.#following.answered(ask, answer)
    if (more !== undefined) return this.#ask(more)
    // A moment later it will not be.
    if (this.#following.isLate) this.#rest()
    this.#listener.followed(ask.all)
    this.look()
  }

  #failed(ask: Ask, error: HubError): void {
    const retry = error.code === 'timeout'
    this.#following.failed(ask, retry)
    this.#rest()
    this.#listener.failed(error)
  }

  #rest(): void {
    this.#resting = true
    this.#pause.set(PAUSE_MS)
  }

  #awake(): void {
    this.#resting = false
    this.look()
  }
}
