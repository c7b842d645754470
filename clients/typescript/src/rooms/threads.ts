// The threads that the user follows for a program, the newest reply first, and what is unread in each.

import { Emitter } from '../emitter.js'
import type { OpenThreads } from './live/open-threads.js'
import type { FollowedThread } from './model/threads.js'

export type ThreadsEvents = {
  /** Something that can be read from it is different now. */
  change: []
}

export class Threads extends Emitter<ThreadsEvents> {
  readonly #open: OpenThreads

  /** Use `Rooms.threads`. `listen` is told who hears of changes. */
  constructor(open: OpenThreads, listen: (changed: () => void) => void) {
    super()
    this.#open = open
    listen(() => void this.emit('change'))
  }

  /** Empty until `load` was called; at most 1,000. A new array on every change. */
  get list(): readonly FollowedThread[] {
    return this.#open.list.threads
  }

  /** Threads with something that one has not read. */
  get unread(): number {
    return this.list.filter(({ unread }) => unread > 0).length
  }

  /** Whether they were had at least once, and whether they are being asked for. */
  get loaded(): boolean {
    return this.#open.list.loaded
  }

  get loading(): boolean {
    return this.#open.loading
  }

  /** From then on they are kept up to date. */
  load(): Promise<void> {
    return this.#open.load()
  }
}
