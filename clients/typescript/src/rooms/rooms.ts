// All rooms of a user for a program: the list, the inbox, open rooms, and what is done without opening one.

import { Emitter } from '../emitter.js'
import { HubError } from '../errors.js'
import { Inbox } from './inbox.js'
import type { AnswerOf, Change, FieldsOf, Operation, SearchAnswer } from './operations.js'
import type { PageQuery, Room } from './room.js'
import type { LastMessage, Me, Role, RoomInfo, RoomKind, Scheduled } from './words.js'

const later = (): never => {
  throw new HubError('not_supported', 'not built yet')
}

/** A room in the list. Its identity changes exactly when something in it does. */
export interface ListedRoom {
  readonly channel: string
  readonly room: Readonly<RoomInfo>
  /** `state` is `joined` or `invited`. */
  readonly me: Readonly<Me>
  readonly unread: number
  readonly mentions: number
  readonly last: LastMessage | undefined
}

/** What a new room is made of. */
export interface NewRoom {
  kind: RoomKind
  /** Drawn when not given. */
  channel?: string | undefined
  name?: string | undefined
  topic?: string | undefined
  /** Required for direct rooms, at most 100. */
  members?: string[] | undefined
  reactions?: RoomInfo['reactions'] | undefined
  receipts?: boolean | undefined
  mentionAll?: Role | undefined
  slowModeS?: number | undefined
}

export interface SearchQuery {
  channel?: string | undefined
  from?: string | undefined
  /** `next` of the page before. */
  before?: string | undefined
  limit?: number | undefined
}

export type RoomsEvents = {
  /** The list is different now. */
  change: []
  /** Something failed that no call reports. Without a listener it goes to the console. */
  error: [HubError]
}

export class Rooms extends Emitter<RoomsEvents> {
  readonly inbox = new Inbox()

  /** Whether the list was had at least once. */
  get loaded(): boolean {
    return false
  }

  /** Rooms that one is in or invited to, the one with the newest message first. A new array on every change. */
  get list(): readonly ListedRoom[] {
    return []
  }

  /** One room of the list. */
  get(_channel: string): ListedRoom | undefined {
    return undefined
  }

  /** The same object until it is closed. With `presence` one is present in it and sees who else is. */
  open(_channel: string, _options: { presence?: boolean } = {}): Room {
    return later()
  }

  create(_room: NewRoom): Promise<AnswerOf<'create'>> {
    return later()
  }

  join(_channel: string): Promise<Change> {
    return later()
  }

  leave(_channel: string): Promise<Change> {
    return later()
  }

  invite(_channel: string, _user: string, _role?: Role): Promise<Change> {
    return later()
  }

  discover(_query: PageQuery & { namespace?: string } = {}): Promise<AnswerOf<'discover'>> {
    return later()
  }

  search(_text: string, _query: SearchQuery = {}): Promise<SearchAnswer> {
    return later()
  }

  /** Threads that one follows. */
  threads(_query: PageQuery = {}): Promise<AnswerOf<'threads'>> {
    return later()
  }

  /** One's own messages that are still to be sent, of all rooms. */
  scheduled(): Promise<Scheduled[]> {
    return later()
  }

  /** Acts of moderation in all rooms; for services. */
  audit(_query: PageQuery = {}): Promise<AnswerOf<'audit'>> {
    return later()
  }

  /** Any operation by the names of the wire, with a key of its own when it changes something. */
  call<O extends Operation>(_op: O, _fields: FieldsOf<O>, _options: { key?: string; giveUpMs?: number } = {}): Promise<AnswerOf<O>> {
    return later()
  }
}
