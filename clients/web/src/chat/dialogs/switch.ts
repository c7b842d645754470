// The quick way to another room: type a part of its name, arrows, Enter.

import type { ListedRoom } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { App } from '../app.js'
import { AS_TYPED, show } from '../over/dialog.js'
import { sign } from '../sign.js'

const MOST = 12

export function switchRoom(app: App): void {
  if (document.querySelector('dialog.switch') !== null) return
  const input = make('input', {
    label: 'Find a room', testid: 'switch-input',
    is: {
      ...AS_TYPED, placeholder: 'Find a room', role: 'combobox', 'aria-controls': 'switch-list', 'aria-expanded': 'true', 'aria-autocomplete': 'list',
    },
  })
  const list = make('ul', { testid: 'switch-list', label: 'Rooms', is: { role: 'listbox', id: 'switch-list' } })
  const dialog = make('dialog', { class: 'switch', testid: 'dialog-switch', label: 'Find a room' }, make('div', { class: 'body' }, input, list))
  let found: ListedRoom[] = []
  let at = 0
  const go = (room: ListedRoom | undefined): void => {
    close()
    if (room !== undefined) app.go(room.channel)
  }
  const draw = (): void => {
    found = matching(app, input.value).slice(0, MOST)
    at = Math.min(at, Math.max(0, found.length - 1))
    list.replaceChildren(...found.map((room, index) => {
      const facts = [room.mentions > 0 ? `@${room.mentions}` : '', room.unread > 0 ? `${room.unread} new` : ''].filter((fact) => fact !== '')
      return make('li', {
        testid: 'switch-option', data: { channel: room.channel }, click: () => go(room),
        is: { role: 'option', id: `switch-${index}`, 'aria-selected': String(index === at) },
      }, sign(room.room.kind), named(app.titles.of(room.room)), make('span', { class: 'note', text: facts.join(' · ') }))
    }))
    if (found.length === 0) input.removeAttribute('aria-activedescendant')
    else input.setAttribute('aria-activedescendant', `switch-${at}`)
    list.children[at]?.scrollIntoView({ block: 'nearest' })
  }
  input.oninput = () => {
    at = 0
    draw()
  }
  input.onkeydown = (event) => {
    if (event.key === 'Enter') go(found[at])
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      at = (at + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % Math.max(1, found.length)
      draw()
    } else return
    event.preventDefault()
  }
  draw()
  const close = show(dialog)
  input.focus()
}

/** Unread ones first while nothing is typed; names that begin so before those that hold it. */
function matching(app: App, typed: string): ListedRoom[] {
  const rooms = app.rooms.list.filter(({ me, channel }) => me.state === 'joined' && channel !== app.room?.channel)
  const wanted = typed.trim().toLowerCase()
  if (wanted === '') return rooms.toSorted((a, b) => Number(b.unread > 0) - Number(a.unread > 0))
  const place = (room: ListedRoom): number => app.titles.of(room.room).toLowerCase().indexOf(wanted)
  return rooms.filter((room) => place(room) >= 0).sort((a, b) => Number(place(a) > 0) - Number(place(b) > 0))
}
