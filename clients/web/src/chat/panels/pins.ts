// The panel of pinned messages, newest first.

import type { Room, RoomMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import { Keyed, once } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { said } from '../conversation/said.js'
import { mayPin } from '../rights.js'
import { hit, placeOf, step } from './search.js'

export function pinsPanel(app: App, room: Room): Panel {
  const list = make('ol', { testid: 'pins' })
  const keyed = new Keyed(list)
  const note = make('p', { class: 'quiet note' })
  const known = new Map<string, RoomMessage | null>()
  const draw = (): void => {
    const pins = room.room?.pins ?? []
    for (const id of pins.filter((one) => !known.has(one))) {
      known.set(id, null)
      room.message(id).then((message) => known.set(id, message), () => known.delete(id)).finally(again)
    }
    const lines = pins.flatMap((id) => room.messages.find((message) => message.id === id) ?? known.get(id) ?? [])
    keyed.draw(lines.map((message) => ({ id: message.id, shows: [message], make: () => pin(app, room, message) })))
    note.textContent = pins.length === 0 ? 'Nothing is pinned here.' : ''
    note.hidden = pins.length > 0
  }
  const again = once(draw)
  const off = room.on('change', again)
  list.onkeydown = (event) => step(event, list)
  draw()
  return { id: 'pins', title: 'Pinned messages', body: make('div', { class: 'scrolls' }, note, list), close: off }
}

function pin(app: App, room: Room, message: RoomMessage): HTMLElement {
  const text = said(message.text, message.entities, app.user)
  // A button holds no links: what it shows is the text alone.
  text.replaceChildren(text.textContent ?? '')
  const line = make('li', { testid: 'pin' }, hit(app, placeOf(room.channel, message), text))
  if (room.room !== undefined && mayPin(room.room, room.me)) {
    line.append(make('button', { class: 'text', text: 'Unpin', testid: 'unpin', click: () => app.attempt(room.pin(message.id, false)) }))
  }
  return line
}
