// A room or a thread as a person sees it: brings the conversation into the list, asks for pages as one scrolls, and
// leads to a message. The list lays it out; what is read is beside it.

import type { Conversation, Room, ShownMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import { once } from '../../keyed.js'
import type { App } from '../app.js'
import { openMenu } from '../over/menu.js'
import { openPicker } from '../over/picker.js'
import { dayName } from '../words/clock.js'
import { Aloud } from './aloud.js'
import { choicesFor, type Doing } from './choices.js'
import { Feed, type FeedLine, type Seen } from './feed.js'
import { type MessageEvents, messageElement } from './message.js'
import { Quotes } from './quotes.js'
import { Reading } from './reading.js'
import { height, type Row, rowsOf, underRoot } from './rows.js'
import { mostOf, Tally } from './tally.js'
import { Tools } from './tools.js'

/** Most messages that one page asks for. */
const PAGE = 100
/** So many lines before the end of what is loaded the next page is asked for. */
const AHEAD = 15
/** For how long a message is marked that one jumped to, in milliseconds. */
const FOUND_MS = 2_500

export interface ViewParts {
  app: App
  room: Room
  conversation: Conversation
  label: string
  /** In a thread, the message that it hangs under: its id, and itself while it is there. */
  thread?: string
  root?: () => ShownMessage | undefined
  /** What stands where there is no message. */
  empty: () => (Node | string)[]
  /** What stands above the first message of all. */
  opening?: () => string
  /** `write` puts the focus where one writes. */
  doing: Pick<Doing, 'reply' | 'edit'> & { write(): void }
}

/** What all lines of one drawing share. */
interface Drawing {
  known: Map<string, ShownMessage>
  root: string | undefined
  opening: string | undefined
  counted: boolean
  now: number
}

export class ConversationView {
  readonly element: HTMLElement
  readonly #parts: ViewParts
  readonly #feed: Feed
  readonly #tools: Tools
  readonly #quotes: Quotes
  readonly #reading: Reading
  readonly #tally: Tally
  readonly #aloud = new Aloud()
  readonly #empty = make('div', { class: 'empty', testid: 'empty' })
  readonly #off: (() => void)[]
  #rows: Row[] = []
  /** Stands where it begins: before, pages around it are not wanted. */
  #begun = false
  /** How often the reader is being led somewhere: what is in view until then is neither read nor continued. */
  #leading = 0
  #closed = false

  constructor(parts: ViewParts) {
    this.#parts = parts
    const draw = once(() => this.draw())
    this.#quotes = new Quotes(parts.conversation, draw)
    this.#reading = new Reading(parts.conversation, parts.thread)
    this.#tally = new Tally(parts.conversation, (error) => parts.app.tell(error.message))
    this.#feed = new Feed(parts.label, (seen) => this.#looked(seen))
    const { up, down } = this.#reading
    up.onclick = () => void this.jump(this.#reading.target(this.#rows))
    down.onclick = () => void this.#newest()
    const tools = parts.root === undefined ? (['react', 'reply', 'thread', 'more'] as const) : (['react', 'reply', 'more'] as const)
    this.#tools = new Tools(this.#feed.element, tools, (id) => this.#find(id), (tool, message, button) => {
      if (tool === 'react') this.#pick(message, button)
      else if (tool === 'reply') parts.doing.reply(message)
      else if (tool === 'thread') this.#events.thread(message.id)
      else this.#menu(message, button)
    })
    this.element = make('div', { class: 'conversation' }, this.#feed.element, this.#empty, up, down)
    this.#feed.element.addEventListener('keydown', (event) => this.#key(event))
    const back = (): void => this.#looked(this.#feed.seen)
    window.addEventListener('focus', back)
    document.addEventListener('visibilitychange', back)
    this.#off = [
      parts.conversation.on('change', draw),
      ...(parts.conversation === parts.room ? [] : [parts.room.on('change', draw)]),
      () => window.removeEventListener('focus', back),
      () => document.removeEventListener('visibilitychange', back),
    ]
  }

  close(): void {
    this.#closed = true
    for (const off of this.#off) off()
    this.#feed.close()
  }

  /** The newest messages; where what is new begins, when that is among them. */
  async begin(): Promise<void> {
    const { conversation, app } = this.#parts
    try {
      await conversation.jumpTo('newest')
    } catch (error) {
      return this.#closed ? undefined : app.tell(`Messages can not be had now: ${(error as Error).message}`)
    }
    if (this.#closed) return
    this.#reading.begin(app.rooms, () => this.#looked(this.#feed.seen))
    this.draw()
    const line = this.#rows.find(({ unread }) => unread)
    if (line === undefined) this.#feed.toEnd()
    else this.#feed.show(line.id, 'start')
    this.#begun = true
    this.#reading.begun()
    this.#looked(this.#feed.seen)
  }

  /** Shows a message, wherever it is. */
  async jump(to: string | undefined): Promise<void> {
    const { conversation, app } = this.#parts
    if (to === undefined) return
    this.#leading++
    try {
      const id = this.#find(to)?.id ?? (await conversation.jumpTo(to))
      if (this.#closed || id === undefined) return
      this.draw()
      this.#begun = true
      this.#reading.begun()
      this.#found(id, id === this.#reading.target(this.#rows) ? 'start' : 'center')
    } catch (error) {
      if (!this.#closed) app.tell(`That message can not be shown: ${(error as Error).message}`)
    } finally {
      this.#leading--
      this.#looked(this.#feed.seen)
    }
  }

  /** One's own message was sent: it is shown, and nothing before it is new. */
  wrote(): void {
    this.#reading.wrote()
    void this.#newest()
  }

  /** The last message of one's own that can be edited. */
  get lastOwn(): ShownMessage | undefined {
    const { app, conversation } = this.#parts
    return conversation.messages.findLast(({ from, deleted, outgoing }) => from === app.user && !deleted && outgoing === undefined)
  }

  focus(): void {
    this.#feed.element.focus()
  }

  get hasFocus(): boolean {
    return document.activeElement === this.#feed.element
  }

  draw(): void {
    if (this.#closed) return
    const { conversation, room, app, root, opening } = this.#parts
    const members = room.room?.receipts && conversation === room ? room.members : []
    const lead = root?.()
    const rows = rowsOf(conversation.messages, { user: app.user, readTo: this.#reading.line, before: conversation.before, members })
    this.#rows = lead === undefined ? rows : underRoot(lead, rows, app.user)
    const drawing: Drawing = {
      known: new Map(conversation.messages.map((message) => [message.id, message])),
      root: lead?.id,
      opening: conversation.loaded && !conversation.before ? opening?.() : undefined,
      counted: room.room?.reactions === 'counted',
      now: Date.now(),
    }
    this.#feed.draw(this.#rows.map((row, index) => this.#line(row, index === 0, drawing)))
    this.#empty.hidden = this.#rows.length > 0
    if (this.#rows.length === 0) {
      this.#empty.replaceChildren(...(conversation.loaded ? this.#parts.empty() : [conversation.error?.message ?? 'Loading…']))
    }
    this.#feed.element.setAttribute('aria-busy', String(conversation.loading))
    for (const text of this.#aloud.next(conversation, app.user)) app.announce(text)
    this.#looked(this.#feed.seen)
  }

  #line(row: Row, top: boolean, { known, root, now, counted, ...drawing }: Drawing): FeedLine {
    const { message, first, day, unread, readers } = row
    const quoted = message.reply_to === undefined ? undefined : this.#quotes.of(message.reply_to, known.get(message.reply_to))
    const opening = top ? drawing.opening : undefined
    return {
      id: row.id,
      shows: [message, first, day && dayName(message.time, now), unread, readers.join(), quoted, opening, counted],
      height: height(row),
      make: () => {
        const element = messageElement({ row, user: this.#parts.app.user, quoted, root: message.id === root, opening, counted, now }, this.#events)
        this.#tools.keep(message.id, element)
        return element
      },
    }
  }

  readonly #events: MessageEvents = {
    jump: (message) => void this.jump(message),
    thread: (message) => this.#parts.app.go(this.#parts.room.channel, { thread: message }),
    react: (message, emoji, by) => this.#tally.add(message, emoji, by, mostOf(this.#parts.room.room?.reactions)),
    pick: (message, anchor) => this.#pick(message, anchor),
  }

  #find(id: string): ShownMessage | undefined {
    return this.#rows.find(({ message }) => message.id === id)?.message
  }

  #pick(message: ShownMessage, anchor: HTMLElement): void {
    openPicker(anchor, (emoji) => this.#events.react(message, emoji, 1))
  }

  #menu(message: ShownMessage, anchor: HTMLElement): void {
    const { app, room, conversation, doing } = this.#parts
    openMenu('Message', choicesFor(app, room, conversation, message, { ...doing, react: (one) => this.#pick(one, anchor) }), anchor)
  }

  /** Enter on a message opens what can be done with it; Escape goes back to writing. */
  #key(event: KeyboardEvent): void {
    const article = (event.target as HTMLElement).closest('article')
    if (article === null) return
    if (event.key === 'Escape') {
      event.preventDefault()
      this.#parts.doing.write()
    }
    const message = this.#find(article.dataset.id ?? '')
    if (event.key !== 'Enter' || article !== event.target || message === undefined || message.outgoing !== undefined || message.deleted) return
    event.preventDefault()
    this.#menu(message, article)
  }

  async #newest(): Promise<void> {
    const { conversation, app } = this.#parts
    try {
      if (conversation.after) await conversation.jumpTo('newest')
      this.draw()
      if (!this.#closed) this.#feed.toEnd()
    } catch (error) {
      app.tell((error as Error).message)
    }
  }

  #found(id: string, align: 'start' | 'center'): void {
    const row = this.#rows.find(({ message }) => message.id === id)
    if (row === undefined || !this.#feed.show(row.id, align)) return
    this.#feed.focus(row.id)
    this.#feed.at(row.id)?.classList.add('found')
    setTimeout(() => this.#feed.at(row.id)?.classList.remove('found'), FOUND_MS)
  }

  /** The reader sees these lines: pages before and behind them are asked for, and what was seen is read. */
  #looked(seen: Seen): void {
    if (this.#closed || this.#leading > 0) return
    const { conversation, app } = this.#parts
    this.#reading.look(this.#rows, seen)
    if (!this.#begun || conversation.loading || conversation.error !== null || seen.first < 0) return
    if (seen.first < AHEAD && conversation.before) app.attempt(conversation.loadBefore(PAGE))
    else if (seen.last > this.#rows.length - AHEAD && conversation.after) app.attempt(conversation.loadAfter(PAGE))
  }
}
