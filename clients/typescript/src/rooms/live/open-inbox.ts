// The inbox alive: its notices, as far as they were asked for, and what is unread, which is always known.

import type { HubError } from '../../errors.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import { Notices } from '../model/notices.js'
import type { InboxAnswer } from '../operations.js'
import type { Notice } from '../words.js'
import { Loader } from './loader.js'
import type { Port } from './port.js'

/** Notices of a page when nobody says how many, and the most that the hub gives. */
const PAGE = 20
const PAGE_MAX = 100

type Wish = { of: 'newest' | 'older'; limit: number } | { of: 'again' }

export interface InboxListener {
  changed(): void
  /** A notice came. */
  notice(notice: Notice): void
}

export class OpenInbox {
  readonly notices = new Notices()
  readonly #listener: InboxListener
  readonly #loader: Loader<Wish, InboxAnswer>

  constructor(port: Port, listener: InboxListener) {
    this.#listener = listener
    this.#loader = new Loader<Wish, InboxAnswer>({
      timers: port.hub.timers,
      ask: (wish, hearing) => {
        const before = wish.of === 'older' ? this.notices.oldest : undefined
        if (wish.of === 'older' && (before === undefined || !this.notices.before)) return false
        this.notices.asking()
        port.tell('inbox', { limit: this.#limitOf(wish), before }, hearing)
        return true
      },
      take: (wish, answer) => this.notices.page(answer, this.#limitOf(wish), wish.of !== 'older'),
      refresh: () => (this.notices.loaded ? { of: 'again' } : undefined),
      changed: () => listener.changed(),
    })
  }

  get loading(): boolean {
    return this.#loader.loading
  }

  load(): Promise<void> {
    return this.notices.loaded ? Promise.resolve() : this.#loader.want({ of: 'newest', limit: PAGE })
  }

  loadBefore(limit: number): Promise<void> {
    return this.#loader.want({ of: 'older', limit: Math.min(limit, PAGE_MAX) })
  }

  fed(): void {
    this.#loader.fed()
  }

  lost(): void {
    this.#loader.lost()
  }

  fail(error: HubError): void {
    this.#loader.fail(error)
  }

  /** Something happened in the own channel. */
  own(happened: Happened): void {
    const before = this.notices.notices
    if (this.notices.message(happened) === 'hole') this.#loader.tear()
    if (before !== this.notices.notices) this.#listener.changed()
    if (happened.event?.event === 'inbox.added') this.#listener.notice(happened.event.notice)
  }

  gap(gap: Gap): void {
    if (this.notices.gap(gap) !== 'seen') this.#loader.tear()
  }

  /** What is held is had again as far as one page goes. */
  #limitOf(wish: Wish): number {
    return wish.of === 'again' ? Math.min(Math.max(this.notices.notices.length, PAGE), PAGE_MAX) : wish.limit
  }
}
