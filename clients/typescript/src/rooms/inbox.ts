// The inbox of the user for a program: notices, newest first, and what is unread.

import { Emitter } from '../emitter.js'
import type { OpenInbox } from './live/open-inbox.js'
import type { Port } from './live/port.js'
import type { Change } from './operations.js'
import type { Notice, Person } from './words.js'

export type InboxEvents = {
  /** Something that can be read from it is different now. */
  change: []
  /** A notice came. Also without `load`. */
  notice: [Notice]
}

/** What the inbox is made of by the rooms. */
export interface InboxJoin {
  open: OpenInbox
  port: Port
  person(): Person
  /** The newest offset of the own channel. */
  position(): number | undefined
  listen(listener: { changed(): void; notice(notice: Notice): void }): void
}

export class Inbox extends Emitter<InboxEvents> {
  readonly #join: InboxJoin

  /** Use `Rooms.inbox`. */
  constructor(join: InboxJoin) {
    super()
    this.#join = join
    join.listen({ changed: () => void this.emit('change'), notice: (notice) => void this.emit('notice', notice) })
  }

  /** Those that are of use, newest first; empty until `load` was called. */
  get notices(): readonly Notice[] {
    return this.#join.open.notices.current(this.#join.port.hub.timers.now())
  }

  /** Unread notices. Known without `load`. */
  get unread(): number {
    return this.#join.person().unread
  }

  /** Until when not to disturb; null for no such time. */
  get dndUntil(): number | null {
    return this.#join.person().dnd_until
  }

  /** Whether notices were had at least once, and whether they are being asked for. */
  get loaded(): boolean {
    return this.#join.open.notices.loaded
  }

  get loading(): boolean {
    return this.#join.open.loading
  }

  /** Whether there may be older notices to load. */
  get before(): boolean {
    return this.#join.open.notices.before
  }

  /** The newest notices, from then on kept up to date. */
  load(): Promise<void> {
    return this.#join.open.load()
  }

  loadBefore(limit = 20): Promise<void> {
    return this.#join.open.loadBefore(limit)
  }

  /** This notice was read, or everything up to now. */
  async read(notice?: string): Promise<Change> {
    if (notice !== undefined) return this.#join.port.ask('inbox_read', { notice })
    const offset = this.#join.position()
    return offset === undefined ? { unchanged: true } : this.#join.port.ask('inbox_read', { offset })
  }

  /** A time, or null to be disturbed again. */
  dnd(until: number | null): Promise<Change> {
    return this.#join.port.ask('dnd', { until })
  }
}
