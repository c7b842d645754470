// One's own place in a thread: whether one follows it, and up to where one has read. Two logs tell of both. Pure.

import type { Created, Happened } from '../events.js'
import type { ThreadPlace } from '../operations.js'
import { Mark } from './mark.js'

export class Standing {
  readonly #channel: string
  readonly #following: Mark
  readonly #read: Mark
  #place: ThreadPlace

  /** As a snapshot of the room at an offset has it. */
  constructor(channel: string, place: ThreadPlace, offset: number) {
    this.#channel = channel
    this.#place = place
    this.#following = new Mark(offset)
    this.#read = new Mark(offset)
  }

  /** The same object as long as nothing changes. */
  get place(): ThreadPlace {
    return this.#place
  }

  /** Somebody said something in the room. */
  said(event: Created, { from, offset = 0 }: Happened, viewer: string): void {
    if (event.thread !== this.#place.root) return
    const place = { ...this.#place }
    if (event.mentions.users.includes(viewer)) place.mentions++
    if (event.follows?.includes(viewer) === true && this.#following.byRoom(offset)) place.following = true
    if (from === viewer && this.#read.byRoom(offset)) {
      place.read = event.ordinal
      place.mentions_read = place.mentions
    }
    this.#place = place
  }

  /** Something happened in the own channel. */
  own({ event }: Happened): void {
    if (event === undefined || !('thread' in event && 'channel' in event)) return
    if (event.thread !== this.#place.root || event.channel !== this.#channel) return
    if (event.event === 'thread.followed') {
      if (this.#following.byOwn(event.behind)) this.#place = { ...this.#place, following: event.following }
      if (event.read !== undefined && this.#read.byOwn(event.behind)) this.#place = { ...this.#place, read: event.read }
    }
    if (event.event === 'read.moved' && this.#read.byOwn(event.behind)) {
      this.#place = { ...this.#place, read: event.ordinal, mentions_read: event.mentions_read }
    }
  }
}
