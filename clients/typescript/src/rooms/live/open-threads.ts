// The threads that one follows, alive: had in pages once they are wanted, and again when something is torn.

import type { HubError } from '../../errors.js'
import type { Happened } from '../events.js'
import { ThreadList } from '../model/threads.js'
import type { AnswerOf } from '../operations.js'
import { Loader } from './loader.js'
import type { AnswerHearing, Port } from './port.js'

/** Threads of a page, as many as the hub gives, and most pages: what is followed beyond is not in the list. */
const PAGE = 100
const PAGES = 10

type Pages = AnswerOf<'threads'>[]

export class OpenThreads {
  readonly list = new ThreadList()
  readonly #port: Port
  readonly #viewer: () => string
  readonly #changed: () => void
  readonly #loader: Loader<'all', Pages>

  constructor(port: Port, viewer: () => string, changed: () => void) {
    this.#port = port
    this.#viewer = viewer
    this.#changed = changed
    this.#loader = new Loader<'all', Pages>({
      timers: port.hub.timers,
      ask: (_, hearing) => {
        this.list.asking()
        this.#ask([], hearing)
        return true
      },
      take: (_, pages) => this.list.replace(pages, this.#viewer()),
      refresh: () => (this.list.loaded ? 'all' : undefined),
      changed,
    })
  }

  get loading(): boolean {
    return this.#loader.loading
  }

  load(): Promise<void> {
    return this.list.loaded ? Promise.resolve() : this.#loader.want('all')
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

  /** Something happened in a room or in the own channel. */
  hear(happened: Happened): void {
    const before = this.list.threads
    if (this.list.message(happened, this.#viewer()) === 'torn') this.#loader.tear()
    if (before !== this.list.threads) this.#changed()
  }

  /** Something will never come: it may have been what a thread is followed by. */
  gap(): void {
    this.#loader.tear()
  }

  #ask(pages: Pages, hearing: { done(pages: Pages): void; failed(error: HubError): void }): void {
    const next: AnswerHearing<'threads'> = {
      done: (page) => {
        const all = [...pages, page]
        if (page.next === undefined || all.length === PAGES) hearing.done(all)
        else this.#ask(all, hearing)
      },
      failed: (error) => hearing.failed(error),
    }
    this.#port.tell('threads', { limit: PAGE, after: pages.at(-1)?.next }, next)
  }
}
