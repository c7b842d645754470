// The list of rooms and what is the same in all of them: snapshots, and what the events behind them make of them.
// Pure: says of what comes whether it fits, and asks nobody.

import { Cursor, type Verdict } from '../../channel/cursor.js'
import type { Gap, Position } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { RoomsAnswer } from '../operations.js'
import type { Person } from '../words.js'
import { Entry, isKnown, type ListedRoom } from './entry.js'

export class RoomList {
  #entries = new Map<string, Entry>()
  /** Follows the own channel. */
  #own = new Cursor()
  #person: { is: Person; at: Position | undefined } = { is: { unread: 0, dnd_until: null }, at: undefined }
  #sorted: readonly ListedRoom[] | undefined
  /** Another number whenever something may look different. */
  version = 0

  /** Rooms that one is in or invited to, the one with the newest message first. */
  get listed(): readonly ListedRoom[] {
    this.#sorted ??= [...this.#entries.values()].flatMap((entry) => entry.listed ?? []).sort(newestFirst)
    return this.#sorted
  }

  get person(): Person {
    return this.#person.is
  }

  /** The position of the own channel. */
  get position(): Position | undefined {
    return this.#own.position
  }

  entry(channel: string): Entry | undefined {
    return this.#entries.get(channel)
  }

  /** A whole new list, in pages. */
  replace(pages: readonly RoomsAnswer[]): void {
    this.#different()
    this.#entries = new Map()
    // The first page is the oldest: what happened since is still to come.
    this.#own = new Cursor(pages[0]?.user)
    for (const { rooms, user, person } of pages) {
      for (const answer of rooms) this.#entries.set(answer.room.channel, new Entry(answer, user))
      this.#person = { is: person, at: user }
    }
  }

  /** New snapshots of these rooms; one that is not among them is not in the list any more. */
  refresh(channels: Iterable<string>, { rooms, user }: RoomsAnswer): void {
    this.#different()
    for (const channel of channels) this.#entries.delete(channel)
    for (const answer of rooms) this.#entries.set(answer.room.channel, new Entry(answer, user))
  }

  remove(channel: string): void {
    if (this.#entries.delete(channel)) this.#different()
  }

  /** Something happened in a room; undefined when it is not in the list. */
  message(happened: Happened, viewer: string): Verdict | undefined {
    const verdict = this.#entries.get(happened.channel)?.message(happened, viewer)
    if (verdict === 'next') this.#different()
    return verdict
  }

  gap(gap: Gap): Verdict | undefined {
    return this.#entries.get(gap.channel)?.gap(gap)
  }

  /** Something happened in the own channel. Which rooms came or went by it is for the caller. */
  own(happened: Happened): Verdict {
    const verdict = this.#own.message(happened)
    if (verdict !== 'next') return verdict
    const { event } = happened
    if (event !== undefined && 'person' in event && !isKnown(this.#person.at, happened)) {
      this.#person = { is: event.person, at: undefined }
      this.#different()
    }
    this.ownOf(happened)
    return verdict
  }

  ownGap(gap: Gap): Verdict {
    return this.#own.gap(gap)
  }

  /** What happened in the own channel about one room, for that room alone. */
  ownOf(happened: Happened): void {
    const { event } = happened
    if (event === undefined || !('channel' in event) || event.channel === undefined) return
    this.#different()
    this.#entries.get(event.channel)?.own(happened)
  }

  #different(): void {
    this.#sorted = undefined
    this.version++
  }
}

function newestFirst(a: ListedRoom, b: ListedRoom): number {
  return newsOf(b) - newsOf(a) || (a.channel < b.channel ? -1 : 1)
}

function newsOf({ room, last }: ListedRoom): number {
  return last?.time ?? room.created
}
