// One open room: its conversation, its threads and members, who is present, and where its events come from: the list
// that is followed, or a subscription of its own when one is not in it.

import { HubError } from '../../errors.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import { Entry } from '../model/entry.js'
import type { Following } from '../model/following.js'
import { Members } from '../model/members.js'
import { mentionsOf, unreadOf } from '../model/room.js'
import type { Presence } from '../model/roster.js'
import type { AnswerOf, MessagesAnswer } from '../operations.js'
import type { Me, MemberState, RoomInfo } from '../words.js'
import { Attendance } from './attendance.js'
import { Loader } from './loader.js'
import { OpenThread } from './open-thread.js'
import type { Port } from './port.js'
import { Talk } from './talk.js'

export interface OpenRoomParts {
  port: Port
  channel: string
  following: Following
  changed(): void
  error(error: HubError): void
}

type MembersWish = { of: 'page'; limit: number } | { of: 'again' }

/** Members of a page that brings what is held up to date. */
const MEMBERS_AGAIN = 1_000

export class OpenRoom {
  readonly talk: Talk
  readonly members = new Members()
  readonly membersLoader: Loader<MembersWish, AnswerOf<'members'>>
  readonly #parts: OpenRoomParts
  readonly #threads = new Map<string, OpenThread>()
  /** What pages said of the room, for when it is not in the list. */
  #entry: Entry | undefined
  #attendance: Attendance | undefined
  #wantsPresence = false
  #attached = false
  /** Why the hub ended the subscription: it is not asked for again at once. */
  #refusal: HubError | undefined
  #fedBy: 'list' | 'subscription' | undefined
  /** How one belonged to the room then: who is only invited may not see everything. */
  #fedAs: MemberState | undefined
  /** What was told last of the room. */
  #told: { room: RoomInfo | undefined; me: Me | null } = { room: undefined, me: null }

  constructor(parts: OpenRoomParts) {
    const { port, channel, changed } = parts
    this.#parts = parts
    this.talk = new Talk({
      port, channel, thread: undefined, changed,
      viewer: () => this.#viewer,
      readTo: () => this.readTo,
      unread: () => this.unread,
      newest: () => this.room?.messages,
      isSlow: () => this.#isSlow(),
      paged: (page) => this.#paged(page),
    })
    this.membersLoader = new Loader<MembersWish, AnswerOf<'members'>>({
      timers: port.hub.timers,
      ask: (wish, hearing) => this.#askMembers(wish, hearing),
      take: (wish, answer) => this.members.page(answer, wish.of === 'again', this.#viewer, this.me?.role),
      refresh: () => (this.members.members.length > 0 ? { of: 'again' } : undefined),
      changed,
    })
    void this.talk.load('newest')
  }

  get room(): RoomInfo | undefined {
    return this.#current?.room
  }

  get me(): Me | null {
    return this.#current?.me ?? null
  }

  get unread(): number {
    return this.room === undefined ? 0 : unreadOf(this.room, this.me)
  }

  get mentions(): number {
    return this.room === undefined ? 0 : mentionsOf(this.room, this.me)
  }

  get readTo(): number | undefined {
    return this.me?.read
  }

  get presence(): Presence | undefined {
    return this.#wantsPresence ? this.#attendance?.presence : undefined
  }

  wantPresence(): void {
    if (this.#wantsPresence) return
    this.#wantsPresence = true
    this.#leave()
    this.sync()
  }

  /** A thread whose handle hears of changes by `changed`. The caller opens each once. */
  thread(id: string, changed: () => void): OpenThread {
    const { port, channel } = this.#parts
    const thread = new OpenThread({
      port, channel, id, changed,
      root: this.talk.timeline.messages.find((message) => message.id === id),
      viewer: () => this.#viewer,
      isSlow: () => this.#isSlow(),
    })
    this.#threads.set(id, thread)
    if (this.#fedBy !== undefined) thread.fed()
    return thread
  }

  closeThread(id: string): void {
    this.#threads.get(id)?.close(new HubError('closed', 'the thread was closed'))
    this.#threads.delete(id)
  }

  /** The list is another one, or may hold this room now, or not any more. */
  sync(): void {
    const { following, channel } = this.#parts
    if (!following.on) return
    const listed = following.list.entry(channel) !== undefined
    if (listed && (this.#fedBy !== 'list' || this.#fedAs !== this.me?.state)) {
      this.#refusal = undefined
      this.#fed('list')
    }
    if (!listed && this.#fedBy === 'list') {
      this.#fedBy = undefined
      if (this.#refusal !== undefined) this.fail(this.#refusal)
    }
    if (this.#wantsPresence || !listed) this.#attend()
    if (!listed && this.#attached && this.#fedBy === undefined) this.#fed('subscription')
    this.look()
  }

  lost(): void {
    this.#fedBy = undefined
    this.#attached = false
    this.#refusal = undefined
    for (const one of this.#all) one.lost()
  }

  /** Something happened in the room. */
  hear(happened: Happened): void {
    this.#entry?.message(happened, this.#viewer)
    const heard = this.talk.hear(happened)
    const members = this.members.message(happened, this.#viewer)
    if (members === 'torn') this.membersLoader.tear()
    for (const thread of this.#threads.values()) thread.hear(happened)
    if (heard || members === 'changed') this.#tell()
    else this.look()
  }

  /** Something happened in the own channel. */
  own(happened: Happened): void {
    const { event } = happened
    if (event?.event === 'room.left' && event.channel === this.#parts.channel) this.#entry?.left(happened)
    for (const thread of this.#threads.values()) thread.own(happened)
    this.look()
  }

  gap(gap: Gap): void {
    this.#entry?.gap(gap)
    this.talk.gap(gap)
    this.membersLoader.tear()
    for (const thread of this.#threads.values()) thread.gap(gap)
  }

  /** Tells when the list says something else of this room. */
  look(): void {
    if (this.room !== this.#told.room || this.me !== this.#told.me) this.#tell()
  }

  /** The list can not be had. */
  fail(error: HubError): void {
    for (const one of this.#all) one.fail(error)
  }

  close(): void {
    const error = new HubError('closed', 'the room was closed')
    for (const id of [...this.#threads.keys()]) this.closeThread(id)
    this.talk.close(error)
    this.membersLoader.fail(error)
    this.#leave()
  }

  get #viewer(): string {
    return this.#parts.following.viewer
  }

  get #current(): Entry | undefined {
    return this.#parts.following.list.entry(this.#parts.channel) ?? this.#entry
  }

  get #all(): { fed(): void; lost(): void; fail(error: HubError): void }[] {
    return [this.talk, this.membersLoader, ...this.#threads.values()]
  }

  #fed(by: 'list' | 'subscription'): void {
    this.#fedBy = by
    this.#fedAs = this.me?.state
    for (const one of this.#all) one.fed()
  }

  #tell(): void {
    this.#told = { room: this.room, me: this.me }
    this.#parts.changed()
  }

  #attend(): void {
    if (this.#attendance !== undefined || this.#refusal !== undefined) return
    const { port, channel, changed } = this.#parts
    this.#attendance = new Attendance(port, channel, this.#wantsPresence, {
      attached: () => {
        this.#attached = true
        this.sync()
      },
      ended: (error) => this.#ended(error),
      changed,
    })
  }

  #ended(error: HubError | null): void {
    this.#attendance = undefined
    this.#attached = false
    if (error === null) return
    this.#refusal = error
    // Whoever is in a room, or invited, may look into it.
    if (error.code === 'not_found' || error.code === 'forbidden') this.#entry?.left()
    // Without the list nothing of this room comes any more.
    if (this.#fedBy !== 'list') this.fail(error)
    // A namespace that keeps no presence has none to tell.
    else if (error.code !== 'not_supported') this.#parts.error(error)
  }

  #leave(): void {
    const attendance = this.#attendance
    this.#attendance = undefined
    attendance?.close()
  }

  #isSlow(): boolean {
    const { room, me } = this
    return room !== undefined && room.slow_mode_s > 0 && me !== null && !this.#keepsOrder
  }

  get #keepsOrder(): boolean {
    return this.me?.role === 'owner' || this.me?.role === 'moderator'
  }

  #paged(page: MessagesAnswer): void {
    this.#entry = new Entry(page, page.user)
  }

  #askMembers(wish: MembersWish, hearing: Parameters<Port['tell']>[2]): boolean {
    const { port, channel } = this.#parts
    const { after } = this.members
    if (wish.of === 'page' && after === undefined) return false
    this.members.asking()
    const fields = wish.of === 'again' ? { channel, limit: MEMBERS_AGAIN } : { channel, limit: wish.limit, after: after || undefined }
    port.tell('members', fields, hearing)
    return true
  }
}
