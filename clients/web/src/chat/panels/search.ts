// The panel of search: in this room or in all, best first; a hit leads to its message.

import type { RoomMessage, SearchHit } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { App, Panel } from '../app.js'
import { shortTime } from '../words/clock.js'
import { stretches } from '../words/runs.js'

export function searchPanel(app: App): Panel {
  const words = { type: 'search', placeholder: 'Search messages', maxlength: '200' }
  const input = make('input', { testid: 'search-input', label: 'Search messages', is: words })
  const places = [make('option', { text: 'This room', is: { value: 'room' } }), make('option', { text: 'All rooms', is: { value: 'all' } })]
  const where = make('select', { testid: 'search-where', label: 'Where to search' }, ...places)
  const form = make('form', { class: 'line' }, input, where)
  const note = make('p', { class: 'quiet note', testid: 'search-note', text: 'Finds words in the rooms that you are in.', is: { role: 'status' } })
  const list = make('ol', { testid: 'search-hits' })
  const more = make('button', { class: 'text', text: 'Show more', testid: 'search-more' })
  more.hidden = true
  let asked = 0

  const search = async (before?: string): Promise<void> => {
    const text = input.value.trim()
    if (text === '') return
    const mine = ++asked
    const channel = where.value === 'room' ? app.room?.channel : undefined
    note.textContent = 'Searching…'
    try {
      const { hits, next } = await app.rooms.search(text, { channel, before })
      if (mine !== asked) return
      if (before === undefined) list.replaceChildren()
      list.append(...hits.map((hit) => make('li', {}, hitElement(app, hit))))
      const { length } = list.children
      note.textContent = length === 0 ? 'Nothing found.' : `${length}${next === undefined ? '' : ' or more'} found`
      more.hidden = next === undefined
      more.onclick = () => void search(next)
    } catch (error) {
      if (mine === asked) note.textContent = (error as Error).message
    }
  }
  form.onsubmit = (event) => {
    event.preventDefault()
    void search()
  }
  where.onchange = () => void search()
  list.onkeydown = (event) => step(event, list)
  const body = make('div', { class: 'panel-body', testid: 'search' }, form, make('div', { class: 'scrolls' }, note, list, more))
  return { id: 'search', title: 'Search', body, focus: input, close: () => void asked++ }
}

function hitElement(app: App, { channel, message, highlights }: SearchHit): HTMLElement {
  const parts = stretches(message.text, highlights).map(({ text, found }) => (found ? make('mark', { text }) : text))
  return hit(app, placeOf(channel, message), make('p', { is: { dir: 'auto' } }, ...parts))
}

export interface Place {
  channel: string
  message?: string | undefined
  thread?: string | undefined
  from?: string | undefined
  time: number
  /** What they did there. Default: they wrote. */
  did?: string | undefined
}

export const placeOf = (channel: string, { id, thread, from, time }: RoomMessage): Place => ({ channel, message: id, thread, from, time })

/** A line that leads to a message: who, where, when, and what. */
export function hit(app: App, { channel, message, thread, from, time, did = 'in' }: Place, ...what: Node[]): HTMLButtonElement {
  const listed = app.rooms.get(channel)
  const room = listed === undefined ? channel : app.titles.of(listed.room)
  const when = make('time', { text: shortTime(time, Date.now()) })
  const head = make('span', { class: 'from' }, make('strong', {}, named(from ?? 'Hubbub')), ` ${did} `, named(room), when)
  const data = { channel, ...(message && { message }) }
  return make('button', { class: 'hit', testid: 'hit', data, click: () => app.go(channel, { message, thread }) }, head, ...what)
}

/** Arrows go from one to the next. */
export function step(event: KeyboardEvent, list: HTMLElement): void {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (by === undefined) return
  const buttons = [...list.querySelectorAll<HTMLElement>('.hit, .entry')]
  const next = buttons[buttons.indexOf(document.activeElement as HTMLElement) + by]
  if (next === undefined) return
  event.preventDefault()
  next.focus()
}
