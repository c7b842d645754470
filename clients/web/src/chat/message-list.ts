// The list of messages on the page: draws the items of a timeline, touching only what has changed, and keeps the
// reader's place. Knows nothing of the hub.

import type { Gap, Json } from '@hubbub/client'
import { byId, make } from '../dom.js'
import { face } from './face.js'
import type { Item } from './timeline.js'

const TOGETHER_MS = 5 * 60_000
const NEAR_PX = 80
const EARLIER_PX = 200

export interface ListEvents {
  retry(key: string): void
  discard(key: string): void
  /** The reader has come to the upper end. */
  earlier(): void
}

/** What an element shows, so that it is made anew only when that changes. */
interface Row {
  id: string
  shows: string
  make(): HTMLElement
}

export class MessageList {
  readonly #list = byId<HTMLOListElement>('messages')
  readonly #scroll = byId('scroll')
  readonly #newer = byId<HTMLButtonElement>('newer')
  readonly #user: string
  readonly #events: ListEvents
  readonly #rows = new Map<string, { shows: string; element: HTMLElement }>()
  #unseen = 0
  /** Whether the reader was at the end when they last moved. */
  #follows = true
  /** A phone that shows its keyboard must not cover the last message. */
  readonly #resized = new ResizeObserver(() => {
    if (this.#follows) this.toEnd()
  })

  constructor(user: string, events: ListEvents) {
    this.#user = user
    this.#events = events
    this.#scroll.onscroll = () => {
      this.#follows = this.#atEnd()
      if (this.#follows) this.#seen()
      if (this.#scroll.scrollTop < EARLIER_PX) events.earlier()
    }
    this.#newer.onclick = () => this.toEnd()
    this.#resized.observe(this.#scroll)
  }

  /** Another list takes over the elements of the page. */
  close(): void {
    this.#resized.disconnect()
  }

  clear(): void {
    this.#rows.clear()
    this.#list.replaceChildren()
    this.#seen()
  }

  toEnd(): void {
    this.#follows = true
    this.#scroll.scrollTop = this.#scroll.scrollHeight
    this.#seen()
  }

  /** Draws the items. `unseen` of them are new at the end. */
  draw(items: Item[], unseen: number): void {
    const atEnd = this.#atEnd()
    const held = this.#held()
    this.#place(this.#rowsOf(items))
    if (atEnd) return this.toEnd()
    // What was put above must not push away what is being read.
    const now = held && this.#rows.get(held.id)?.element.offsetTop
    if (held !== undefined && now !== undefined) this.#scroll.scrollTop += now - held.top
    this.#unseen += unseen
    if (this.#unseen === 0) return
    this.#newer.textContent = this.#unseen === 1 ? '1 new message ↓' : `${this.#unseen} new messages ↓`
    this.#newer.hidden = false
  }

  #place(rows: Row[]): void {
    const wanted = new Set(rows.map(({ id }) => id))
    for (const [id, { element }] of this.#rows) {
      if (wanted.has(id)) continue
      element.remove()
      this.#rows.delete(id)
    }
    let before: ChildNode | null = this.#list.firstChild
    for (const row of rows) {
      const old = this.#rows.get(row.id)
      const element = old?.shows === row.shows ? old.element : row.make()
      if (old !== undefined && old.element !== element) {
        if (before === old.element) before = element
        old.element.replaceWith(element)
      }
      this.#rows.set(row.id, { shows: row.shows, element })
      if (element === before) before = element.nextSibling
      else this.#list.insertBefore(element, before)
    }
  }

  /** Items and the days between them, each knowing whether it begins or ends a run of one author. */
  #rowsOf(items: Item[]): Row[] {
    const rows: Row[] = []
    let day = ''
    items.forEach((item, index) => {
      if (item.kind === 'gap') {
        rows.push({ id: item.id, shows: String(item.gap.to), make: () => gapElement(item.gap) })
        return
      }
      const date = new Date(timeOf(item))
      if (date.toDateString() !== day) {
        day = date.toDateString()
        rows.push({ id: `d:${day}`, shows: day, make: () => make('li', { class: 'rule', text: dayName(date) }) })
      }
      const first = !this.#together(items[index - 1], item)
      const last = !this.#together(item, items[index + 1])
      const state = item.kind === 'message' ? 'sent' : item.draft.failed === undefined ? 'sending' : 'failed'
      const shows = `${state} ${first} ${last} ${item.kind === 'draft' ? (item.draft.failed ?? '') : ''}`
      rows.push({ id: item.id, shows, make: () => this.#element(item, state, first, last) })
    })
    return rows
  }

  #together(a: Item | undefined, b: Item | undefined): boolean {
    if (a === undefined || b === undefined || a.kind === 'gap' || b.kind === 'gap') return false
    if (this.#author(a) !== this.#author(b)) return false
    const [from, to] = [timeOf(a), timeOf(b)]
    return Math.abs(to - from) < TOGETHER_MS && new Date(from).toDateString() === new Date(to).toDateString()
  }

  #author(item: Exclude<Item, { kind: 'gap' }>): string {
    return item.kind === 'draft' ? this.#user : (item.message.from ?? '')
  }

  #element(item: Exclude<Item, { kind: 'gap' }>, state: string, first: boolean, last: boolean): HTMLElement {
    const author = this.#author(item)
    const mine = author === this.#user
    const element = make('li', { class: 'message', testid: 'message', data: { id: item.id, state, from: author } })
    if (item.kind === 'message' && item.message.offset !== undefined) element.dataset.offset = String(item.message.offset)
    element.classList.toggle('mine', mine)
    element.classList.toggle('first', first)
    element.classList.toggle('last', last)
    if (first) element.append(make('span', { class: mine ? 'hidden' : 'author', text: mine ? 'You' : author || 'a service' }))
    if (!mine) element.append(face(author || 'service'))
    element.append(make('div', { class: 'bubble' }, content(item)))
    if (last || state !== 'sent') element.append(this.#meta(item, state))
    return element
  }

  #meta(item: Exclude<Item, { kind: 'gap' }>, state: string): HTMLElement {
    const meta = make('div', { class: 'meta' })
    if (item.kind === 'message' || state === 'sending') {
      const time = make('time', { text: clock(timeOf(item)) })
      time.dateTime = new Date(timeOf(item)).toISOString()
      meta.append(time)
      if (state === 'sending') meta.append(' · sending')
      return meta
    }
    const { key, failed = '' } = item.draft
    const retry = make('button', { class: 'text', text: 'Try again', testid: 'retry-button' })
    const discard = make('button', { class: 'text', text: 'Discard', testid: 'discard-button' })
    retry.onclick = () => this.#events.retry(key)
    discard.onclick = () => this.#events.discard(key)
    meta.append(`Not sent: ${failed}`, retry, discard)
    return meta
  }

  /** The first line of a person that is in view, and where it stands. */
  #held(): { id: string; top: number } | undefined {
    const { scrollTop } = this.#scroll
    for (const child of this.#list.children) {
      const element = child as HTMLElement
      const { id } = element.dataset
      if (id !== undefined && element.offsetTop + element.offsetHeight >= scrollTop) return { id, top: element.offsetTop }
    }
    return undefined
  }

  #atEnd(): boolean {
    return this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < NEAR_PX
  }

  #seen(): void {
    this.#unseen = 0
    this.#newer.hidden = true
  }
}

function content(item: Exclude<Item, { kind: 'gap' }>): HTMLElement {
  if (item.kind === 'draft') return make('p', { text: item.draft.text, testid: 'message-text' })
  const text = textOf(item.message.data)
  if (text !== undefined) return make('p', { text, testid: 'message-text' })
  return make('code', { text: JSON.stringify(item.message.data), testid: 'message-text' })
}

/** What a person wrote; undefined for other data. */
function textOf(data: Json): string | undefined {
  if (typeof data === 'string') return data
  const text = data !== null && typeof data === 'object' && !Array.isArray(data) ? data.text : undefined
  return typeof text === 'string' ? text : undefined
}

function gapElement(gap: Gap): HTMLElement {
  const count = gap.to - gap.from + 1
  const messages = count === 1 ? '1 message' : `${count} messages`
  const words: Record<string, string> = {
    expired: `${messages} missing here: no longer kept`,
    epoch: count > 0 ? `The log began anew: ${messages} may be missing here` : 'The log began anew here',
    lost: `${messages} missing here: lost by the hub`,
    overflow: `${messages} missing here: they came too fast`,
  }
  return make('li', { class: 'rule gap', testid: 'gap', text: words[gap.reason] ?? `${messages} missing here`, data: { reason: gap.reason } })
}

function timeOf(item: Exclude<Item, { kind: 'gap' }>): number {
  return item.kind === 'draft' ? item.draft.time : item.message.time
}

const clock = (time: number): string => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })

function dayName(date: Date): string {
  const today = new Date()
  if (date.toDateString() === today.toDateString()) return 'Today'
  return date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
}
