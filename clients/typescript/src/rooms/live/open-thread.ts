// One open thread: its conversation, the message that it hangs under, and one's own place in it.

import type { HubError } from '../../errors.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import { ThreadState } from '../model/thread.js'
import type { RoomMessage } from '../words.js'
import type { Port } from './port.js'
import { Talk } from './talk.js'

/** What a thread has to know of its room. */
export interface ThreadParts {
  port: Port
  channel: string
  id: string
  /** The root, where the room shows it. */
  root: RoomMessage | undefined
  viewer(): string
  isSlow(): boolean
  changed(): void
}

export class OpenThread {
  readonly talk: Talk
  readonly state: ThreadState
  readonly #parts: ThreadParts

  constructor(parts: ThreadParts) {
    const { port, channel, id, root, viewer, isSlow, changed } = parts
    this.#parts = parts
    this.state = new ThreadState(channel, root)
    this.talk = new Talk({
      port, channel, thread: id, viewer, isSlow, changed,
      readTo: () => this.readTo,
      unread: () => this.unread,
      newest: () => this.#newest,
      paged: (page) => this.state.page(page, viewer()),
    })
    void this.talk.load('newest')
  }

  get unread(): number {
    return this.readTo === undefined ? 0 : Math.max(0, (this.#newest ?? 0) - this.readTo)
  }

  get mentions(): number {
    const { place } = this.state
    return place === undefined ? 0 : Math.max(0, place.mentions - place.mentions_read)
  }

  get readTo(): number | undefined {
    return this.state.place?.read
  }

  fed(): void {
    this.talk.fed()
  }

  lost(): void {
    this.talk.lost()
  }

  /** Something happened in the room. */
  hear(happened: Happened): void {
    const { root, place } = this.state
    this.state.message(happened, this.#parts.viewer())
    const heard = this.talk.hear(happened)
    if (heard || root !== this.state.root || place !== this.state.place) this.#parts.changed()
  }

  /** Something happened in the own channel. */
  own(happened: Happened): void {
    const { place } = this.state
    this.state.message(happened, this.#parts.viewer())
    if (place !== this.state.place) this.#parts.changed()
  }

  gap(gap: Gap): void {
    this.talk.gap(gap)
  }

  fail(error: HubError): void {
    this.talk.fail(error)
  }

  close(error: HubError): void {
    this.talk.close(error)
  }

  /** The ordinal of the newest message of the thread. */
  get #newest(): number | undefined {
    return this.state.root?.replies ?? this.talk.timeline.last?.ordinal
  }
}
