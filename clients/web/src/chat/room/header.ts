// The head of the open room: what it is, and ways to everything beside it.

import type { Room } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { same } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { roomChoices } from '../dialogs/room-menu.js'
import { openMenu } from '../over/menu.js'
import { iconButton, type SignName, sign } from '../sign.js'

export interface HeaderEvents {
  side(): void
  panel(id: Panel['id']): void
}

const KINDS = { public: 'Public room', private: 'Private room', direct: 'Direct conversation', announcement: 'Announcements' } as const

export class Header {
  readonly #bar: HTMLElement
  readonly #app: App
  readonly #room: Room
  readonly #title = make('div', { class: 'title' })
  readonly #pins: HTMLButtonElement
  readonly #people: HTMLButtonElement
  readonly #buttons: Map<Panel['id'], HTMLButtonElement>
  #shows: readonly unknown[] = []

  constructor(bar: HTMLElement, app: App, room: Room, events: HeaderEvents) {
    this.#bar = bar
    this.#app = app
    this.#room = room
    const button = (id: Panel['id'], name: SignName, label: string): HTMLButtonElement => {
      const one = iconButton(name, label, `${id}-button`, { 'aria-pressed': 'false' })
      one.onclick = () => events.panel(id)
      return one
    }
    this.#pins = button('pins', 'pin', 'Pinned messages')
    this.#people = button('people', 'people', 'People')
    this.#buttons = new Map([['search', button('search', 'search', 'Search')], ['pins', this.#pins], ['people', this.#people]])
    const side = iconButton('menu', 'Rooms', 'side-button', { id: 'side-button', 'aria-controls': 'side', 'aria-expanded': 'false' })
    side.classList.add('only-small')
    side.onclick = () => events.side()
    const more = iconButton('more', 'Room menu', 'room-menu-button', { 'aria-haspopup': 'menu' })
    more.onclick = () => openMenu('Room', roomChoices(app, room), more)
    bar.replaceChildren(side, this.#title, ...this.#buttons.values(), more)
  }

  draw(): void {
    const info = this.#room.room
    for (const [id, button] of this.#buttons) button.setAttribute('aria-pressed', String(this.#app.shown === id))
    const here = this.#room.presence?.count ?? 0
    const shows = [info && this.#app.titles.of(info), info?.kind, info?.topic, info?.pins.length, here, info?.archived]
    if (same(shows, this.#shows)) return
    this.#shows = shows
    if (info === undefined) {
      this.#title.replaceChildren(make('h1', { testid: 'room-name' }, named(this.#room.channel)))
      return
    }
    const title = this.#app.titles.of(info)
    const kind = make('span', { label: KINDS[info.kind], is: { role: 'img', title: KINDS[info.kind] } }, sign(info.kind))
    const heading = make('h1', {}, kind, named(title, { testid: 'room-name' }))
    if (info.archived) heading.append(make('span', { class: 'badge calm', text: 'archived' }))
    const topic = named(info.topic, { class: 'topic', testid: 'room-topic', is: { title: info.topic } })
    this.#title.replaceChildren(heading, ...(info.topic === '' ? [] : [topic]))
    document.title = `${title} · Hubbub`
    this.#pins.hidden = info.pins.length === 0
    this.#pins.replaceChildren(sign('pin'), make('span', { text: String(info.pins.length) }))
    this.#pins.setAttribute('aria-label', `Pinned messages: ${info.pins.length}`)
    this.#people.replaceChildren(sign('people'), make('span', { text: String(here), testid: 'here-count' }))
    this.#people.setAttribute('aria-label', `People: ${here} here`)
  }

  close(): void {
    this.#bar.replaceChildren()
  }
}
