// The panel of the inbox: mentions, replies, invitations and what services tell, newest first.

import type { Notice } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { Keyed, once } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { clock } from '../words/clock.js'
import { reportsPanel } from './reports.js'
import { hit, step } from './search.js'

const DID: Record<string, string> = {
  mention: 'mentioned you in', reply: 'replied to you in', invitation: 'invited you to', report: 'reported something in',
}
const HOUR_MS = 3_600_000

export function inboxPanel(app: App): Panel {
  const { inbox } = app.rooms
  const list = make('ol', { testid: 'inbox' })
  const keyed = new Keyed(list)
  const note = make('p', { class: 'quiet note', testid: 'inbox-note' })
  const all = make('button', { class: 'text', text: 'Mark all as read', testid: 'inbox-read', click: () => app.attempt(inbox.read()) })
  const quiet = make('button', { class: 'text', testid: 'dnd-button' })
  quiet.onclick = () => app.attempt(inbox.dnd(disturb() ? Date.now() + HOUR_MS : null))
  const disturb = (): boolean => inbox.dndUntil === null || inbox.dndUntil < Date.now()
  const more = make('button', { class: 'text', text: 'Show older', testid: 'inbox-more', click: () => app.attempt(inbox.loadBefore()) })
  const draw = (): void => {
    const state = ({ channel = '' }: Notice): unknown => app.rooms.get(channel)?.me.state
    keyed.draw(inbox.notices.map((notice) => ({ id: notice.id, shows: [notice, state(notice)], make: () => line(app, notice) })))
    note.textContent = 'Nothing here yet: mentions, replies and invitations come to this place.'
    note.hidden = inbox.notices.length > 0
    all.hidden = inbox.unread === 0
    quiet.textContent = disturb() ? 'Do not disturb for an hour' : `Quiet until ${clock(inbox.dndUntil ?? 0)} – end`
    more.hidden = !inbox.before
  }
  const off = inbox.on('change', once(draw))
  list.onkeydown = (event) => step(event, list)
  draw()
  app.attempt(inbox.load())
  return { id: 'inbox', title: 'Inbox', body: make('div', { class: 'scrolls' }, make('div', { class: 'ways' }, all, quiet), note, list, more), close: off }
}

function line(app: App, notice: Notice): HTMLElement {
  const { id, channel = '', message, from, text = '', what, time, read, data } = notice
  const thread = (data as { thread?: string } | undefined)?.thread
  // The name of the room is said already.
  const words = text === '' || what === 'invitation' ? [] : [make('p', { text, is: { dir: 'auto' } })]
  const button = channel === '' ? plain(notice, words) : hit(app, { channel, message, thread, from, time, did: DID[what] }, ...words)
  button.dataset.what = what
  button.toggleAttribute('data-unread', !read)
  button.addEventListener('click', () => {
    if (!read) app.attempt(app.rooms.inbox.read(id))
    if (what === 'report' && app.room?.channel === channel) app.show(reportsPanel(app, app.room))
  })
  const item = make('li', { testid: 'notice', data: { what, ...(!read && { unread: 'true' }) } }, button)
  if (what === 'invitation' && app.rooms.get(channel)?.me.state === 'invited') item.append(invited(app, channel))
  return item
}

function plain({ from }: Notice, words: Node[]): HTMLButtonElement {
  return make('button', { class: 'hit' }, make('span', { class: 'from' }, make('strong', {}, named(from ?? 'Hubbub'))), ...words)
}

/** Accept or decline. */
export function invited(app: App, channel: string): HTMLElement {
  const accept = async (): Promise<void> => {
    await app.rooms.join(channel)
    app.go(channel)
  }
  return make('div', { class: 'choices' },
    make('button', { class: 'primary', text: 'Accept', testid: 'accept', click: () => app.attempt(accept()) }),
    make('button', { text: 'Decline', testid: 'decline', click: () => app.attempt(app.rooms.leave(channel)) }))
}
