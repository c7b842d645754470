// Messages that are to be sent later: when, which of them wait, and taking one back.

import type { Conversation, Entity, Room, Scheduled } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { App } from '../app.js'
import { ask, field } from '../over/dialog.js'
import { type Choice, openMenu } from '../over/menu.js'
import { iconButton, sign } from '../sign.js'
import { soon } from '../words/clock.js'
import { laterTimes, localField } from '../words/later.js'

/** What is written and could be sent. */
export interface Written {
  text: string
  entities: Entity[]
  replyTo: string | undefined
}

export interface LaterParts {
  app: App
  room: Room
  conversation: Conversation
  thread: string | undefined
  /** Undefined when there is nothing to send. */
  written(): Written | undefined
  /** It is kept for its time: it need not be written any more. */
  taken(written: Written): void
}

/** How long after its time it is looked whether a message was sent, in milliseconds. */
const AFTER_MS = 1_500
/** The longest that a timer of a browser waits. */
const TIMER_MAX_MS = 2 ** 31 - 1
const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

export class Later {
  readonly button = iconButton('clock', 'Send later', 'later-button', { 'aria-haspopup': 'menu' })
  /** Says how many wait, and leads to them. */
  readonly bar = make('button', { class: 'waiting', testid: 'scheduled-bar', is: { type: 'button' } })
  readonly #parts: LaterParts
  #waiting: readonly Scheduled[] = []
  #alarm: ReturnType<typeof setTimeout> | undefined
  #written = false
  #begun = false
  #closed = false

  constructor(parts: LaterParts) {
    this.#parts = parts
    this.bar.hidden = true
    this.bar.onclick = () => this.#show()
    this.button.onclick = () => openMenu('Send later', this.#choices(), this.button)
  }

  /** One may write here: from now on it is known what waits. */
  begin(): void {
    if (this.#begun) return
    this.#begun = true
    void this.#load()
  }

  /** Whether there is something that could be sent. */
  refresh(written: boolean): void {
    this.#written = written
    this.button.disabled = this.#waiting.length === 0 && !written
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#alarm)
  }

  #choices(): Choice[] {
    const times = this.#parts.written() === undefined ? [] : laterTimes(Date.now()).map(({ id, text, at }): Choice =>
      ({ text, sign: 'clock', id: `later-${id}`, do: () => this.#parts.app.attempt(this.#schedule(at)) }))
    const other: Choice = { text: 'Another time…', sign: 'edit', id: 'later-other', do: () => this.#ask() }
    const list: Choice = { text: `Waiting messages: ${this.#waiting.length}`, sign: 'inbox', id: 'later-list', apart: true, do: () => this.#show() }
    return [...times, ...(times.length > 0 ? [other] : []), ...(this.#waiting.length > 0 ? [list] : [])]
  }

  #ask(): void {
    const now = Date.now()
    const time = make('input', {
      testid: 'later-time', is: { type: 'datetime-local', required: '', min: localField(now), max: localField(now + YEAR_MS) },
    })
    time.value = localField(now + HOUR_MS)
    ask({
      title: 'Send later', id: 'later', confirm: 'Schedule', body: [field('When?', time)],
      submit: () => this.#schedule(new Date(time.value).getTime()),
    })
  }

  async #schedule(at: number): Promise<void> {
    const { app, conversation, written, taken } = this.#parts
    const what = written()
    if (what === undefined) return
    await conversation.schedule(what.text, at, { entities: what.entities, replyTo: what.replyTo })
    taken(what)
    app.announce(`Will be sent ${soon(at, Date.now())}`)
    await this.#load()
  }

  async #load(): Promise<void> {
    const { room, thread } = this.#parts
    try {
      const all = await room.scheduled()
      this.#waiting = all.filter((one) => (one.thread ?? undefined) === thread).sort((a, b) => a.at - b.at)
    } catch {
      // What waits is sent all the same; it is looked for again with the next change.
    }
    if (!this.#closed) this.#draw()
  }

  #draw(): void {
    const { length } = this.#waiting
    const next = this.#waiting[0]
    this.bar.hidden = next === undefined
    if (next !== undefined) {
      const text = length === 1 ? `1 message will be sent ${soon(next.at, Date.now())}` : `${length} messages wait, the next is sent ${soon(next.at, Date.now())}`
      this.bar.replaceChildren(sign('clock'), make('span', { text }))
    }
    this.refresh(this.#written)
    clearTimeout(this.#alarm)
    if (next !== undefined) this.#alarm = setTimeout(() => void this.#load(), Math.min(TIMER_MAX_MS, Math.max(0, next.at - Date.now()) + AFTER_MS))
  }

  #show(): void {
    const { app, room } = this.#parts
    const list = make('ul', { class: 'found', testid: 'scheduled' })
    const note = make('p', { class: 'quiet', text: 'Nothing waits here any more.' })
    note.hidden = true
    for (const { task, at, text } of this.#waiting) {
      const about = make('div', { class: 'about' }, named(text), make('time', { class: 'quiet', text: soon(at, Date.now()) }))
      const item = make('li', { testid: 'scheduled-message', data: { task } }, sign('clock'), about)
      const cancel = async (): Promise<void> => {
        await room.unschedule(task)
        item.remove()
        note.hidden = list.childElementCount > 0
        await this.#load()
      }
      item.append(make('button', { text: 'Cancel', testid: 'unschedule', is: { type: 'button' }, click: () => app.attempt(cancel()) }))
      list.append(item)
    }
    ask({ title: 'To be sent later', id: 'scheduled', body: [list, note] })
  }
}
