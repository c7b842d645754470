// Where everything of rooms comes in: brings each frame to the list, the inbox, the followed threads and the open rooms,
// and tells whoever listens what is different by it. Decides nothing itself.

import type { HubError } from '../../errors.js'
import type { Gap, Message } from '../../protocol/frames.js'
import { type Happened, read } from '../events.js'
import { Following } from '../model/following.js'
import type { Notice } from '../words.js'
import { Follower } from './follower.js'
import { OpenInbox } from './open-inbox.js'
import { OpenRoom } from './open-room.js'
import { OpenThreads } from './open-threads.js'
import { Port, type RoomsHub } from './port.js'

export interface LobbyListener {
  /** The list or the person is different. */
  changed(): void
  inboxChanged(): void
  notice(notice: Notice): void
  threadsChanged(): void
  error(error: HubError): void
}

export class Lobby {
  readonly port: Port
  readonly following = new Following()
  readonly inbox: OpenInbox
  readonly threads: OpenThreads
  readonly #listener: LobbyListener
  readonly #follower: Follower
  readonly #open = new Map<string, OpenRoom>()
  #loaded = false
  /** Why the list can not be had on this connection. */
  #failure: HubError | undefined

  constructor(hub: RoomsHub, listener: LobbyListener) {
    this.#listener = listener
    this.port = new Port(hub)
    this.inbox = new OpenInbox(this.port, { changed: listener.inboxChanged, notice: listener.notice })
    this.threads = new OpenThreads(this.port, () => this.following.viewer, listener.threadsChanged)
    this.#follower = new Follower(this.port, this.following, {
      followed: (all) => this.#followed(all),
      failed: (error) => this.#failed(error),
    })
  }

  /** Whether the list was had at least once. */
  get loaded(): boolean {
    return this.#loaded
  }

  /** A room whose handle hears of changes by `changed`. The caller opens each once. */
  open(channel: string, changed: () => void): OpenRoom {
    const { port, following } = this
    const room = new OpenRoom({ port, channel, following, changed, error: (error) => this.#listener.error(error) })
    this.#open.set(channel, room)
    room.sync()
    if (this.#failure !== undefined) room.fail(this.#failure)
    return room
  }

  wantPresence(channel: string): void {
    this.#open.get(channel)?.wantPresence()
  }

  closeRoom(channel: string): void {
    this.#open.get(channel)?.close()
    this.#open.delete(channel)
  }

  connected(viewer: string): void {
    this.#failure = undefined
    this.#follower.connected(viewer)
  }

  lost(): void {
    this.#follower.lost()
    this.inbox.lost()
    this.threads.lost()
    for (const room of this.#open.values()) room.lost()
  }

  message(message: Message): void {
    const happened = read(message)
    if (happened === undefined) return
    this.#follow(() => this.following.message(happened))
    this.threads.hear(happened)
    if (happened.channel === this.following.own) this.#own(happened)
    else this.#open.get(happened.channel)?.hear(happened)
  }

  gap(gap: Gap): void {
    this.#follow(() => this.following.gap(gap))
    this.threads.gap()
    if (gap.channel === this.following.own) this.inbox.gap(gap)
    else this.#open.get(gap.channel)?.gap(gap)
  }

  /** The hub ended what it sent of a channel. */
  ended(channel: string): void {
    if (channel !== this.following.own && this.following.list.entry(channel) === undefined) return
    this.#follow(() => this.following.tear(channel))
  }

  close(error: HubError): void {
    this.lost()
    this.#fail(error)
  }

  #own(happened: Happened): void {
    this.inbox.own(happened)
    for (const room of this.#open.values()) room.own(happened)
    // Rooms come and go by it: an open one has to get its events from somewhere else then.
    if (happened.event?.event === 'room.left') for (const room of this.#open.values()) room.sync()
  }

  #follow(by: () => void): void {
    const { list } = this.following
    const [version, person] = [list.version, list.person]
    by()
    if (list.version !== version) this.#listener.changed()
    if (list.person !== person) this.#listener.inboxChanged()
    this.#follower.look()
  }

  #followed(all: boolean): void {
    this.#loaded = true
    this.#listener.changed()
    if (all) {
      this.#listener.inboxChanged()
      this.inbox.fed()
      this.threads.fed()
    }
    for (const room of this.#open.values()) room.sync()
  }

  #failed(error: HubError): void {
    this.#listener.error(error)
    if (!this.following.on && error.code !== 'timeout') this.#fail(error)
  }

  /** Nothing can be had on this connection. */
  #fail(error: HubError): void {
    this.#failure = error
    this.inbox.fail(error)
    this.threads.fail(error)
    for (const room of this.#open.values()) room.fail(error)
  }
}
