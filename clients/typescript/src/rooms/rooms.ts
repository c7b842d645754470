// All rooms of a user for a program: the list, the inbox, open rooms, and what is done without opening one.

import { Emitter } from '../emitter.js'
import type { HubError } from '../errors.js'
import { Inbox } from './inbox.js'
import { Lobby } from './live/lobby.js'
import type { RoomsHub } from './live/port.js'
import type { ListedRoom } from './model/entry.js'
import type { AnswerOf, Change, FieldsOf, Operation, SearchAnswer } from './operations.js'
import { type PageQuery, Room } from './room.js'
import { Threads } from './threads.js'
import type { Notice, Role, RoomInfo, RoomKind, Scheduled } from './words.js'

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
  readonly inbox: Inbox
  readonly threads: Threads
  readonly #lobby: Lobby
  readonly #rooms = new Map<string, Room>()

  /** Use `Hub.rooms`. `enter` hands what stands behind it to the Hub. */
  constructor(hub: RoomsHub, enter: (lobby: Lobby) => void) {
    super()
    let inbox: { changed(): void; notice(notice: Notice): void } | undefined
    let threads = (): void => {}
    const lobby = new Lobby(hub, {
      changed: () => void this.emit('change'),
      inboxChanged: () => inbox?.changed(),
      notice: (notice) => inbox?.notice(notice),
      threadsChanged: () => threads(),
      error: (error) => this.emitError('error', error),
    })
    this.#lobby = lobby
    const { list } = lobby.following
    this.inbox = new Inbox({
      open: lobby.inbox, port: lobby.port,
      person: () => list.person,
      position: () => list.position?.offset,
      listen: (listener) => (inbox = listener),
    })
    this.threads = new Threads(lobby.threads, (changed) => (threads = changed))
    enter(lobby)
  }

  /** Whether the list was had at least once. */
  get loaded(): boolean {
    return this.#lobby.loaded
  }

  /** Rooms that one is in or invited to, the one with the newest message first. A new array on every change. */
  get list(): readonly ListedRoom[] {
    return this.#lobby.following.list.listed
  }

  /** One room of the list. */
  get(channel: string): ListedRoom | undefined {
    return this.#lobby.following.list.entry(channel)?.listed
  }

  /**
   * The same object until it is closed. With `presence` one is present in it and sees who else is; of a public room that
   * one is not in, one is present as well.
   */
  open(channel: string, options: { presence?: boolean } = {}): Room {
    const lobby = this.#lobby
    let room = this.#rooms.get(channel)
    if (room === undefined) {
      room = new Room({
        channel, port: lobby.port,
        open: (changed) => lobby.open(channel, changed),
        close: () => {
          this.#rooms.delete(channel)
          lobby.closeRoom(channel)
        },
      })
      this.#rooms.set(channel, room)
    }
    if (options.presence === true) lobby.wantPresence(channel)
    return room
  }

  /** Makes a room. Of the same people there is one direct room: making it again answers that. */
  create({ mentionAll, slowModeS, ...fields }: NewRoom): Promise<AnswerOf<'create'>> {
    return this.call('create', { ...fields, mention_all: mentionAll, slow_mode_s: slowModeS })
  }

  join(channel: string): Promise<Change> {
    return this.call('join', { channel })
  }

  /** Also declines an invitation. */
  leave(channel: string): Promise<Change> {
    return this.call('leave', { channel })
  }

  invite(channel: string, user: string, role?: Role): Promise<Change> {
    return this.call('invite', { channel, user, role })
  }

  /** Public rooms and announcements of the tenant. */
  discover(query: PageQuery & { namespace?: string } = {}): Promise<AnswerOf<'discover'>> {
    return this.call('discover', query)
  }

  /** In all rooms that one is in, or one of them; best first. */
  search(text: string, query: SearchQuery = {}): Promise<SearchAnswer> {
    return this.call('search', { text, ...query })
  }

  /** One's own messages that wait for their time, of all rooms. */
  async scheduled(): Promise<Scheduled[]> {
    return (await this.call('scheduled', {})).scheduled
  }

  /** Acts of moderation in all rooms; for services. */
  audit(query: PageQuery<number> = {}): Promise<AnswerOf<'audit'>> {
    return this.call('audit', query)
  }

  /** Any operation by the names of the wire, with a key of its own when it changes something. */
  call<O extends Operation>(op: O, fields: FieldsOf<O>, options: { key?: string; giveUpMs?: number } = {}): Promise<AnswerOf<O>> {
    return this.#lobby.port.ask(op, fields, options)
  }
}
