// The room that is open: its head, its talk, and its members as far as they are needed.

import type { Room } from '@hubbub/client'
import { byId, make, named } from '../../dom.js'
import { once } from '../../keyed.js'
import type { App } from '../app.js'
import { Talk } from '../conversation/talk.js'
import { joined } from '../rights.js'
import { sign } from '../sign.js'
import { Header, type HeaderEvents } from './header.js'

export class OpenRoom {
  readonly room: Room
  readonly talk: Talk
  readonly #app: App
  readonly #header: Header
  readonly #off: () => void
  #members = false
  /** It was in the list of one's rooms. */
  #listed = false

  constructor(app: App, channel: string, events: HeaderEvents) {
    this.#app = app
    const room = app.rooms.open(channel, { presence: true })
    this.room = room
    this.#header = new Header(byId('bar'), app, room, events)
    this.talk = new Talk({
      app, room, gone: () => this.gone, conversation: room, label: 'Messages', placeholder: 'Write a message',
      empty: () => this.#empty(),
      opening: () => `This is the beginning of ${room.room === undefined ? channel : app.titles.of(room.room)}.`,
    })
    byId('room').replaceChildren(this.talk.element)
    this.#off = room.on('change', once(() => this.draw()))
    this.draw()
  }

  /** What stands in a room in which nothing was said. */
  #empty(): (Node | string)[] {
    const { room: info, me } = this.room
    if (info === undefined) return []
    const words = joined(me) ? 'Nothing has been said here yet. Say hello!' : 'Nothing has been said here yet.'
    return [make('span', { class: 'mark' }, sign(info.kind)), make('strong', {}, named(this.#app.titles.of(info))), words]
  }

  /** Whether one was in the room, and may not even look into it any more. */
  get gone(): boolean {
    return this.#listed && this.room.me?.state === 'left' && this.room.error !== null
  }

  draw(): void {
    this.#listed ||= this.#app.rooms.get(this.room.channel) !== undefined
    this.#header.draw()
    if (this.#listed) this.talk.draw()
    // Names to mention and marks of reading need the members: the first page of them, once one is one of them.
    if (this.#members || !joined(this.room.me)) return
    this.#members = true
    this.room.loadMembers().catch(() => (this.#members = false))
  }

  close(): void {
    this.#off()
    this.#header.close()
    this.talk.close()
    leave(this.room, this.#app)
  }
}

/** What is on its way or failed must not be lost: the room stays open until that is settled. */
function leave(room: Room, app: App): void {
  const waits = (): boolean => room.messages.some(({ outgoing }) => outgoing !== undefined && outgoing.state !== 'sent')
  if (!waits()) return room.close()
  const off = room.on('change', () => {
    if (app.room === room) off()
    else if (!waits()) {
      off()
      room.close()
    }
  })
}
