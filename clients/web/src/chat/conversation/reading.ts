// Up to where one has read: where what is new began, what was looked at is read, and what leads there and to the end.
// Knows what is in view, not how it is laid out.

import type { Conversation, Rooms } from '@hubbub/client'
import { make } from '../../dom.js'
import type { Seen } from './feed.js'
import type { Row } from './rows.js'

export class Reading {
  /** The ways to the first new message and to the newest one. */
  readonly up = make('button', { class: 'jump up', testid: 'jump-unread', text: 'Jump to the first new message ↑' })
  readonly down = make('button', { class: 'jump down', testid: 'jump-newest' })
  readonly #conversation: Conversation
  readonly #thread: string | undefined
  /** Up to where one had read at the beginning; undefined when that is not wanted any more. */
  #line: number | undefined
  /** The first new message, when it was not loaded at the beginning. */
  #first: string | undefined
  /** The line of what is new was seen. */
  #lineSeen = false
  /** Up to where the hub was told: until it says so itself, looking at what is older takes nothing back. */
  #told = 0
  #begun = false

  /** `thread`: the message that the conversation hangs under, which is none of its own. */
  constructor(conversation: Conversation, thread: string | undefined) {
    this.#conversation = conversation
    this.#thread = thread
    this.up.hidden = this.down.hidden = true
  }

  get line(): number | undefined {
    return this.#line
  }

  /**
   * The newest messages are there: remembers what is new, before anything is read. `found` is called when the first new
   * message is older than those, and known.
   */
  begin(rooms: Rooms, found: () => void): void {
    const { channel, messages: [first], before, readTo } = this.#conversation
    this.#line = readTo
    if (readTo === undefined || first === undefined || !before || first.ordinal <= readTo + 1) return
    rooms.call('messages', { channel, around: readTo + 1, limit: 2, thread: this.#thread }).then(
      ({ messages }) => {
        if (this.#line === undefined) return
        this.#first = messages.find(({ ordinal }) => ordinal > readTo)?.id
        found()
      },
      // Then there is no way to it.
      () => {},
    )
  }

  /** Where one begins is in view: from now on what is looked at is read. */
  begun(): void {
    this.#begun = true
  }

  /** One has written: nothing before that is new. */
  wrote(): void {
    this.#line = this.#first = undefined
  }

  /** The id of the first new message. */
  target(rows: readonly Row[]): string | undefined {
    return rows.find(({ unread }) => unread)?.message.id ?? this.#first
  }

  /** The reader sees these rows. */
  look(rows: readonly Row[], seen: Seen): void {
    if (this.#begun) this.#read(rows, seen)
    const line = rows.findIndex(({ unread }) => unread)
    if (line >= 0 && line >= seen.first) this.#lineSeen = true
    const above = line < 0 ? this.#first !== undefined : line < seen.first
    this.up.hidden = this.#lineSeen || !above
    const { after, unread } = this.#conversation
    this.down.hidden = !after && seen.atEnd
    this.down.textContent = unread > 0 ? `${unread} new ${unread === 1 ? 'message' : 'messages'} ↓` : 'To the newest ↓'
    this.down.classList.toggle('plain', unread === 0)
  }

  /** Only what somebody looks at is read. */
  #read(rows: readonly Row[], seen: Seen): void {
    const { after, loaded, unread, mentions, readTo } = this.#conversation
    if (document.visibilityState !== 'visible' || !document.hasFocus() || (unread === 0 && mentions === 0)) return
    const isOurs = ({ message }: Row): boolean => message.outgoing === undefined && message.id !== this.#thread
    const last = rows.slice(0, seen.last + 1).findLast(isOurs)?.message.ordinal ?? 0
    if (seen.atEnd && !after && loaded) {
      this.#told = Math.max(this.#told, last)
      this.#conversation.read()
    } else if (readTo !== undefined && last > Math.max(readTo, this.#told)) {
      this.#told = last
      this.#conversation.read(last)
    }
  }
}
