// One room as the list holds it: a snapshot, and what the events behind it make of it. Pure.

import { Cursor, type Verdict } from '../../channel/cursor.js'
import type { Gap, Position } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { LastMessage, Me, RoomInfo } from '../words.js'
import { Mark } from './mark.js'
import { meAfter, mentionsOf, meRead, movesMark, roomAfter, unreadOf } from './room.js'

/** A room in the list. As long as nothing in it changes it is the same object. */
export interface ListedRoom {
  readonly channel: string
  readonly room: Readonly<RoomInfo>
  /** `state` is `joined` or `invited`. */
  readonly me: Readonly<Me>
  readonly unread: number
  readonly mentions: number
  readonly last: LastMessage | undefined
}

/** What an entry begins with. */
export interface Snapshot {
  room: RoomInfo
  me?: Me | null
  epoch: string
  offset: number
}

export class Entry {
  #room: RoomInfo
  #me: Me | null
  readonly #cursor: Cursor
  /** With which position of the own channel this is a snapshot. */
  readonly #own: Position | undefined
  /** Where one's read mark stands. */
  readonly #mark: Mark
  #listed: ListedRoom | undefined

  constructor({ room, me, epoch, offset }: Snapshot, own?: Position) {
    this.#room = room
    this.#me = me ?? null
    this.#cursor = new Cursor({ epoch, offset })
    this.#own = own
    this.#mark = new Mark(offset)
  }

  get room(): RoomInfo {
    return this.#room
  }

  get me(): Me | null {
    return this.#me
  }

  get position(): Position | undefined {
    return this.#cursor.position
  }

  /** As the list shows it; undefined when one is neither in it nor invited. */
  get listed(): ListedRoom | undefined {
    const [room, me] = [this.#room, this.#me]
    if (me === null || (me.state !== 'joined' && me.state !== 'invited')) return undefined
    this.#listed ??= { channel: room.channel, room, me, unread: unreadOf(room, me), mentions: mentionsOf(room, me), last: room.last }
    return this.#listed
  }

  /** Something happened in the room. `viewer` is who one is. */
  message(happened: Happened, viewer: string): Verdict {
    const verdict = this.#cursor.message(happened)
    if (verdict !== 'next') return verdict
    const moves = movesMark(happened, viewer) && this.#mark.byRoom(happened.offset ?? 0)
    this.#set(roomAfter(this.#room, happened), meAfter(this.#me, happened, viewer, this.#room, moves))
    return verdict
  }

  gap(gap: Gap): Verdict {
    return this.#cursor.gap(gap)
  }

  /** Something happened in the own channel that is about this room. */
  own(happened: Happened): void {
    if (this.#me === null || isKnown(this.#own, happened)) return
    const { event } = happened
    if (event?.event === 'read.moved' && event.thread === undefined && this.#mark.byOwn(event.behind)) {
      this.#set(this.#room, meRead(this.#me, event))
    }
    if (event?.event === 'member.notify') this.#set(this.#room, { ...this.#me, notify: event.level })
  }

  /** One is not in the room any more, as the own channel says (`happened`) or the hub by letting nobody in. How is not known by that. */
  left(happened?: Happened): void {
    const me = this.#me
    if (me === null || (me.state !== 'joined' && me.state !== 'invited')) return
    if (happened === undefined || !isKnown(this.#own, happened)) this.#set(this.#room, { ...me, state: 'left' })
  }

  #set(room: RoomInfo, me: Me | null): void {
    if (room === this.#room && me === this.#me) return
    this.#room = room
    this.#me = me
    this.#listed = undefined
  }
}

/** Whether a snapshot holds what happened already. */
export function isKnown(snapshot: Position | undefined, { epoch, offset }: Pick<Happened, 'epoch' | 'offset'>): boolean {
  return snapshot !== undefined && offset !== undefined && epoch === snapshot.epoch && offset <= snapshot.offset
}
