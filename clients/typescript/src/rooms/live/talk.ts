// One conversation alive: the window of its messages, what is on its way, who is writing, and up to where one has read.
// The same for rooms and for threads; what only one of them has is beside it.

import type { HubError } from '../../errors.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { Item } from '../model/outbox.js'
import { Timeline } from '../model/timeline.js'
import type { FieldsOf, MessagesAnswer } from '../operations.js'
import type { Sending as Sent, SendOptions, ShownMessage, Target } from '../outgoing.js'
import type { RoomMessage } from '../words.js'
import { Loader } from './loader.js'
import { Marks } from './marks.js'
import { Sending } from './sending.js'
import type { Surroundings } from './surroundings.js'
import { Typing } from './typing.js'

/** Messages of a page when nobody says how many, and the most that the hub gives. */
const PAGE = 50
const PAGE_MAX = 200

type PageWish =
  | { of: 'newest' | 'before' | 'after'; limit: number }
  | { of: 'around'; target: string; limit: number }
  | { of: 'again' }

export class Talk {
  readonly timeline: Timeline
  readonly loader: Loader<PageWish, MessagesAnswer>
  readonly typing: Typing
  readonly #around: Surroundings
  readonly #sending: Sending
  readonly #marks: Marks
  #shown: { of: readonly RoomMessage[]; items: readonly Item[]; is: readonly ShownMessage[] } | undefined
  /** The ordinal at the end of the window that a page is asked for at. */
  #edge: number | undefined

  constructor(around: Surroundings) {
    const { timers } = around.port.hub
    this.#around = around
    this.timeline = new Timeline(around.thread)
    this.typing = new Typing(around)
    this.#sending = new Sending(around, () => this.timeline.position?.offset ?? 0)
    this.#marks = new Marks(timers, (ordinal) => this.#sendMark(ordinal))
    this.loader = new Loader({
      timers,
      ask: (wish, hearing) => {
        const fields = this.#fieldsOf(wish)
        if (fields === undefined) return false
        this.timeline.asking()
        around.port.tell('messages', fields, hearing)
        return true
      },
      take: (wish, page) => this.#take(wish, page),
      refresh: () => (this.timeline.loaded ? { of: 'again' } : undefined),
      changed: around.changed,
    })
  }

  /** What happens comes to us from now on: what is shown is made right, or had at last. */
  fed(): void {
    this.loader.fed()
    if (!this.timeline.loaded) void this.load('newest')
  }

  lost(): void {
    this.loader.lost()
  }

  fail(error: HubError): void {
    this.loader.fail(error)
  }

  /** The window and, when it is at the end, what has no place yet. */
  get messages(): readonly ShownMessage[] {
    const { messages: of, after } = this.timeline
    const { items } = this.#sending.outbox
    if (after || items.length === 0) return of
    if (this.#shown?.of !== of || this.#shown.items !== items) {
      this.#shown = { of, items, is: [...of, ...items.map((item) => this.#sending.show(item))] }
    }
    return this.#shown.is
  }

  /** Something happened in the room; whether anything here is different by it. */
  hear(happened: Happened): boolean {
    const viewer = this.#around.viewer()
    const { outbox } = this.#sending
    const [messages, items, writers] = [this.timeline.messages, outbox.items, this.typing.writers.users]
    if (this.timeline.message(happened, viewer) === 'hole') this.loader.tear()
    outbox.message(happened, viewer)
    this.typing.hear(happened)
    return messages !== this.timeline.messages || items !== outbox.items || writers !== this.typing.writers.users
  }

  gap(gap: Gap): void {
    if (this.timeline.gap(gap) !== 'seen') this.loader.tear()
  }

  send(text: string, options: SendOptions): Sent {
    const sent = this.#sending.send(text, options)
    this.typing.sent()
    // What one writes is to be seen where it will stand.
    if (this.timeline.after) void this.load('newest')
    this.#around.changed()
    return sent
  }

  /** Loads the end of the log, or at an end of the window. */
  load(of: 'newest' | 'before' | 'after', limit = PAGE): Promise<void> {
    return this.loader.want({ of, limit: Math.min(limit, PAGE_MAX) })
  }

  /** Moves the window; answers the id of the message to show. */
  async jumpTo(target: Target): Promise<string | undefined> {
    if (target === 'newest' || (target === 'unread' && this.#around.unread() === 0)) {
      if (!this.timeline.loaded || this.timeline.after) await this.load('newest')
      return target === 'newest' ? this.timeline.last?.id : undefined
    }
    if (this.#find(target) === undefined) await this.loader.want({ of: 'around', target, limit: PAGE })
    return this.#find(target)
  }

  read(ordinal = this.#around.newest()): void {
    if (ordinal !== undefined) this.#marks.want(ordinal, this.#around.readTo())
  }

  /** Nobody looks any more. What waits to be sent is sent all the same. */
  close(error: HubError): void {
    this.#marks.close()
    this.typing.close()
    this.fail(error)
  }

  #fieldsOf(wish: PageWish): FieldsOf<'messages'> | undefined {
    const { channel, thread } = this.#around
    const { first, last, before, after } = this.timeline
    switch (wish.of) {
      case 'newest':
        return { channel, thread, limit: wish.limit }
      case 'around':
        return { channel, thread, around: wish.target, limit: wish.limit }
      case 'before':
        this.#edge = first?.ordinal
        return before && first !== undefined ? { channel, thread, before: first.ordinal, limit: wish.limit } : undefined
      case 'after':
        this.#edge = last?.ordinal
        return after && last !== undefined ? { channel, thread, after: last.ordinal, limit: wish.limit } : undefined
      case 'again': {
        const limit = Math.min(Math.max(this.timeline.messages.length, PAGE), PAGE_MAX)
        return after && first !== undefined ? { channel, thread, after: first.ordinal - 1, limit } : { channel, thread, limit }
      }
    }
  }

  #take(wish: PageWish, page: MessagesAnswer): boolean {
    const { timeline } = this
    const viewer = this.#around.viewer()
    this.#around.paged(page)
    // A window that has moved meanwhile has no use for a page at its old end.
    if (wish.of === 'before') return timeline.first?.ordinal !== this.#edge || timeline.prepend(page, viewer)
    if (wish.of === 'after' && timeline.last?.ordinal !== this.#edge) return true
    const good = wish.of === 'after' ? timeline.append(page, viewer) : timeline.replace(page, viewer)
    if (good && !page.after) this.#sending.outbox.caughtUp(page.messages, page.offset, viewer)
    return good
  }

  /** The id of a target in the window. */
  #find(target: Target): string | undefined {
    const { messages, before } = this.timeline
    if (target !== 'unread') return messages.find(({ id }) => id === target)?.id
    const readTo = this.#around.readTo() ?? 0
    const first = messages[0]
    // The first unread one of the window is the first of all only when no unread one can be before it.
    if (first === undefined || (before && first.ordinal > readTo + 1)) return undefined
    return messages.find(({ ordinal }) => ordinal > readTo)?.id
  }

  async #sendMark(ordinal: number): Promise<void> {
    const { port, channel, thread } = this.#around
    // A mark that could not be set is set by the next one.
    await port.ask('read', { channel, ordinal, thread }).catch(() => {})
  }
}
