// What a thread has beside its messages: the message that it hangs under, and one's own place in it. Pure.

import type { Position } from '../../protocol/frames.js'
import type { Created, Happened } from '../events.js'
import type { MessagesAnswer, ThreadPlace } from '../operations.js'
import type { RoomMessage } from '../words.js'
import { isKnown } from './entry.js'
import { Mark } from './mark.js'
import { messageAfter } from './message.js'
import { RECORDED } from './timeline.js'

export class ThreadState {
  readonly #channel: string
  readonly #id: string
  #root: RoomMessage | undefined
  #place: ThreadPlace | undefined
  #following = new Mark(0)
  #read = new Mark(0)
  /** With which position of the own channel the place is a snapshot. */
  #own: Position | undefined
  /** What happened last: a page may be older than that. */
  #recent: Happened[] = []

  /** `root`: the message that it hangs under, where it is known already. */
  constructor(channel: string, id: string, root?: RoomMessage) {
    this.#channel = channel
    this.#id = id
    this.#root = root
  }

  /** Undefined until it is known, and when it is gone from every page. */
  get root(): RoomMessage | undefined {
    return this.#root
  }

  /** Undefined until it is known. */
  get place(): ThreadPlace | undefined {
    return this.#place
  }

  /** A page of the thread came. */
  page({ root, thread, user, offset }: MessagesAnswer, viewer: string): void {
    this.#root = root
    this.#place = thread
    this.#following = new Mark(offset)
    this.#read = new Mark(offset)
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
    const { event } = happened
    if (event?.event === 'message.created' && event.thread === this.#id) this.#hearSaid(event, happened, viewer)
  }

  #hearSaid(event: Created, { from, offset = 0 }: Happened, viewer: string): void {
    if (this.#place === undefined) return
    const place = { ...this.#place }
    if (event.mentions.users.includes(viewer)) place.mentions++
    if (event.follows?.includes(viewer) === true && this.#following.byRoom(offset)) place.following = true
    if (from === viewer && this.#read.byRoom(offset)) {
      place.read = event.ordinal
      place.mentions_read = place.mentions
    }
    this.#place = place
  }

  #hearOwn(happened: Happened): void {
    const { event } = happened
    if (this.#place === undefined || isKnown(this.#own, happened) || event === undefined) return
    if (!('thread' in event && 'channel' in event) || event.thread !== this.#id || event.channel !== this.#channel) return
    if (event.event === 'thread.followed') {
      if (this.#following.byOwn(event.behind)) this.#place = { ...this.#place, following: event.following }
      if (event.read !== undefined && this.#read.byOwn(event.behind)) this.#place = { ...this.#place, read: event.read }
    }
    if (event.event === 'read.moved' && this.#read.byOwn(event.behind)) {
      this.#place = { ...this.#place, read: event.ordinal, mentions_read: event.mentions_read }
    }
  }
}
