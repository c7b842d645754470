// One open thread: its conversation, the message that it hangs under, and one's own place in it.

import type { HubError } from '../../errors.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import { messageAfter } from '../model/message.js'
import { placeAfter, placeAfterOwn } from '../model/place.js'
import { RECORDED } from '../model/timeline.js'
import type { AnswerOf, MessagesAnswer, ThreadPlace } from '../operations.js'
import type { RoomMessage } from '../words.js'
import { Loader } from './loader.js'
import type { Port } from './port.js'
import { Talk } from './talk.js'

/** What a thread has to know of its room. */
export interface ThreadParts {
  port: Port
  channel: string
  id: string
  /** The root, where the room shows it. */
  root: RoomMessage | undefined
  viewer(): string
  isSlow(): boolean
  changed(): void
}

/** Events since the last page that its place may be older than. */
const RECENT = 100

export class OpenThread {
  readonly talk: Talk
  readonly #parts: ThreadParts
  readonly #loader: Loader<'root', AnswerOf<'message'>>
  #root: RoomMessage | undefined
  #recorded: Happened[] | undefined
  #place: ThreadPlace | undefined
  #recent: Happened[] = []

  constructor(parts: ThreadParts) {
    const { port, channel, id, viewer, isSlow, changed } = parts
    this.#parts = parts
    this.#root = parts.root
    this.talk = new Talk({
      port, channel, thread: id, viewer, isSlow, changed,
      readTo: () => this.readTo,
      unread: () => this.unread,
      newest: () => this.#newest,
      paged: (page) => this.#paged(page),
    })
    this.#loader = new Loader<'root', AnswerOf<'message'>>({
      timers: port.hub.timers,
      ask: (_, hearing) => {
        this.#recorded = []
        port.tell('message', { channel, message: id }, hearing)
        return true
      },
      take: (_, message) => this.#take(message),
      refresh: () => 'root',
      changed,
    })
    void this.talk.load('newest')
  }

  get root(): RoomMessage | undefined {
    return this.#root
  }

  get place(): ThreadPlace | undefined {
    return this.#place
  }

  get unread(): number {
    return this.#place === undefined ? 0 : Math.max(0, (this.#newest ?? 0) - this.#place.read)
  }

  get mentions(): number {
    return this.#place === undefined ? 0 : Math.max(0, this.#place.mentions - this.#place.mentions_read)
  }

  get readTo(): number | undefined {
    return this.#place?.read
  }

  fed(): void {
    this.#loader.fed()
    this.talk.loader.fed()
  }

  lost(): void {
    this.#loader.lost()
    this.talk.loader.lost()
  }

  /** Something happened in the room. */
  hear(happened: Happened): void {
    const [root, place] = [this.#root, this.#place]
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
    this.#recent = [...this.#recent, happened].slice(-RECENT)
    this.#root = root && messageAfter(root, happened, this.#parts.viewer())
    if (place !== undefined) this.#place = this.#placeAfter(place, happened)
    const heard = this.talk.hear(happened)
    if (heard || root !== this.#root || place !== this.#place) this.#parts.changed()
  }

  /** Something happened in the own channel. */
  own(happened: Happened): void {
    if (this.#place === undefined) return
    const place = placeAfterOwn(this.#place, happened, this.#parts.channel)
    if (place === this.#place) return
    this.#place = place
    this.#parts.changed()
  }

  gap(gap: Gap): void {
    this.#loader.tear()
    this.talk.gap(gap)
  }

  fail(error: HubError): void {
    this.#loader.fail(error)
    this.talk.loader.fail(error)
  }

  close(error: HubError): void {
    this.#loader.fail(error)
    this.talk.close(error)
  }

  /** The ordinal of the newest message of the thread. */
  get #newest(): number | undefined {
    return this.#root?.replies ?? this.talk.timeline.last?.ordinal
  }

  /** An answer has no position: what happened meanwhile is done again, which changes nothing twice. */
  #take(message: RoomMessage): boolean {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    if (recorded.length > RECORDED) return false
    const viewer = this.#parts.viewer()
    this.#root = recorded.reduce<RoomMessage | undefined>((root, happened) => root && messageAfter(root, happened, viewer), message)
    return true
  }

  #paged({ thread: place, offset }: MessagesAnswer): void {
    if (place === undefined) return
    const since = this.#recent.filter((happened) => (happened.offset ?? 0) > offset)
    this.#place = since.reduce((now, happened) => this.#placeAfter(now, happened), place)
    this.#recent = since
  }

  #placeAfter(place: ThreadPlace, happened: Happened): ThreadPlace {
    return placeAfter(place, happened, this.#parts.viewer(), this.#root?.from)
  }
}
