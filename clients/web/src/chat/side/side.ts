// The side of the page: ways to everywhere, invitations, and the rooms by their last message.

import type { ListedRoom } from '@hubbub/client'
import { byId, make, named } from '../../dom.js'
import { Keyed, type Line } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { createRoom, discover, startDirect } from '../dialogs/create.js'
import { switchRoom } from '../dialogs/switch.js'
import { openMenu } from '../over/menu.js'
import { invited } from '../panels/inbox.js'
import { step } from '../panels/search.js'
import { type SignName, sign } from '../sign.js'
import { count, entry } from './entry.js'
import { ordered } from './order.js'

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent)

export class Side {
  readonly #app: App
  readonly #rooms = new Keyed(byId('room-list'))
  readonly #invitations = new Keyed(byId('invitation-list'))
  readonly #inbox = make('span', { class: 'badge mentions', testid: 'inbox-badge' })
  readonly #threads = make('span', { class: 'badge', testid: 'threads-badge' })

  constructor(app: App, panel: (id: Panel['id']) => void) {
    this.#app = app
    const place = (id: string, name: SignName, text: string, ...more: Node[]): HTMLElement => {
      const button = byId(id)
      button.replaceChildren(sign(name), make('span', { text }), ...more)
      return button
    }
    place('find-button', 'search', 'Find a room', make('kbd', { text: isMac ? '⌘K' : 'Ctrl K' })).onclick = () => switchRoom(app)
    place('inbox-button', 'inbox', 'Inbox', this.#inbox).onclick = () => panel('inbox')
    place('threads-button', 'thread', 'Threads', this.#threads).onclick = () => panel('threads')
    const fresh = byId('new-button')
    fresh.replaceChildren(sign('plus'))
    fresh.onclick = () => openMenu('New', [
      { text: 'New room…', sign: 'public', id: 'create', do: () => createRoom(app) },
      { text: 'New direct conversation…', sign: 'direct', id: 'direct', do: () => startDirect(app) },
      { text: 'Find public rooms…', sign: 'search', id: 'discover', do: () => discover(app) },
    ], fresh)
    byId('room-list').onkeydown = (event) => step(event, byId('room-list'))
  }

  draw(): void {
    const { rooms, room, shown } = this.#app
    const { invitations, joined } = ordered(rooms.list)
    byId('invitations').hidden = invitations.length === 0
    this.#invitations.draw(invitations.map((one) => this.#invitation(one)))
    this.#rooms.draw(joined.map((one) => entry(this.#app, one, one.channel === room?.channel)))
    for (const [badge, unread] of [[this.#inbox, rooms.inbox.unread], [this.#threads, rooms.threads.unread]] as const) {
      badge.hidden = unread === 0
      badge.replaceChildren(count(unread), make('span', { class: 'hidden', text: ' new' }))
    }
    for (const id of ['inbox', 'threads']) byId(`${id}-button`).setAttribute('aria-pressed', String(shown === id))
  }

  #invitation({ channel, room }: ListedRoom): Line {
    const title = this.#app.titles.of(room)
    return {
      id: channel,
      shows: [title, room.kind],
      make: () => make('li', { class: 'invitation', testid: 'invitation', data: { channel } },
        make('p', {}, make('strong', {}, named(title))), invited(this.#app, channel)),
    }
  }
}
