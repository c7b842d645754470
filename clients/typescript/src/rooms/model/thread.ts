// What a thread has beside its messages: the message that it hangs under, and one's own place in it. Pure.

import type { Position } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { MessagesAnswer, ThreadPlace } from '../operations.js'
import type { RoomMessage } from '../words.js'
import { isKnown } from './entry.js'
import { messageAfter } from './message.js'
import { Standing } from './standing.js'
import { RECORDED } from './timeline.js'

export class ThreadState {
  readonly #channel: string
  #root: RoomMessage | undefined
  #standing: Standing | undefined
  /** With which position of the own channel the place is a snapshot. */
  #own: Position | undefined
  /** What happened last: a page may be older than that. */
  #recent: Happened[] = []

  /** `root`: the message that it hangs under, where it is known already. */
  constructor(channel: string, root?: RoomMessage) {
    this.#channel = channel
    this.#root = root
  }

  /** Undefined until it is known, and when it is gone from every page. */
  get root(): RoomMessage | undefined {
    return this.#root
  }

  /** Undefined until it is known. */
  get place(): ThreadPlace | undefined {
    return this.#standing?.place
  }

  /** A page of the thread came. */
  page({ root, thread, user, offset }: MessagesAnswer, viewer: string): void {
    this.#root = root
    this.#standing = thread && new Standing(this.#channel, thread, offset)
    this.#own = user
    for (const happened of this.#recent) {
      if (happened.channel !== this.#channel) this.#hearOwn(happened)
      else if ((happened.offset ?? 0) > offset) this.#hear(happened, viewer)
    }
  }

  /** Something happened in the room or in the own channel. */
  message(happened: Happened, viewer: string): void {
    if (happened.offset === undefined) return
    this.#recent.push(happened)
    if (this.#recent.length > RECORDED) this.#recent.shift()
    if (happened.channel === this.#channel) this.#hear(happened, viewer)
    else this.#hearOwn(happened)
  }

  #hear(happened: Happened, viewer: string): void {
    this.#root = this.#root && messageAfter(this.#root, happened, viewer)
    if (happened.event?.event === 'message.created') this.#standing?.said(happened.event, happened, viewer)
  }

  #hearOwn(happened: Happened): void {
    if (!isKnown(this.#own, happened)) this.#standing?.own(happened)
  }
}
