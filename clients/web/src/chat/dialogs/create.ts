// Dialogs that make rooms: a new one, a direct one with somebody, and those that are there for everybody.

import { make, named } from '../../dom.js'
import type { App } from '../app.js'
import { AS_TYPED, ask, choice, field } from '../over/dialog.js'
import { sign } from '../sign.js'
import { isUser, NAME_RULE } from '../who.js'

const KINDS = [
  { value: 'public', text: 'Public', hint: 'Everybody finds it and may join.' },
  { value: 'private', text: 'Private', hint: 'Only who is invited sees it.' },
  { value: 'announcement', text: 'Announcements', hint: 'Everybody reads, moderators write.' },
] as const

export function createRoom(app: App): void {
  const name = make('input', { testid: 'room-name-input', is: { maxlength: '100', required: '', autocomplete: 'off' } })
  const topic = make('input', { testid: 'room-topic-input', is: { maxlength: '1000', autocomplete: 'off' } })
  const kind = choice('Who is it for?', KINDS, 'public')
  ask({
    title: 'New room', id: 'create', confirm: 'Create', body: [field('Name', name), field('Topic', topic, 'optional'), kind.element],
    submit: async () => {
      const { channel } = await app.rooms.create({ kind: kind.value(), name: name.value.trim(), topic: topic.value.trim() })
      app.go(channel)
    },
  })
}

export function startDirect(app: App): void {
  const people = make('input', { testid: 'direct-input', is: { ...AS_TYPED, required: '', placeholder: 'bo, cy' } })
  ask({
    title: 'New direct conversation', id: 'direct', confirm: 'Start', body: [field('With whom?', people, 'one name, or several with commas')],
    submit: async () => {
      const members = people.value.split(/[\s,]+/).map((name) => name.replace(/^@/, '')).filter((name) => name !== '')
      if (members.length === 0 || !members.every(isUser)) throw new Error(NAME_RULE)
      const { channel } = await app.rooms.create({ kind: 'direct', members })
      app.go(channel)
    },
  })
}

export function discover(app: App): void {
  const list = make('ul', { class: 'found', testid: 'discover-list' })
  const note = make('p', { class: 'quiet', text: 'Looking…', is: { role: 'status' } })
  const more = make('button', { class: 'text', text: 'Show more', is: { type: 'button' } })
  more.hidden = true
  const close = ask({ title: 'Rooms for everybody', id: 'discover', body: [note, list, more] })
  const load = async (after?: string): Promise<void> => {
    try {
      const { rooms, next } = await app.rooms.discover({ after })
      for (const room of rooms) {
        const { channel, kind, topic, members } = room
        const inside = app.rooms.get(channel)?.me.state === 'joined'
        const about = make('div', { class: 'about' }, make('strong', {}, named(app.titles.of(room))),
          named(`${members} ${members === 1 ? 'member' : 'members'}${topic === '' ? '' : ` · ${topic}`}`, { class: 'quiet' }))
        const go = async (): Promise<void> => {
          if (!inside) await app.rooms.join(channel)
          close()
          app.go(channel)
        }
        const [text, look] = inside ? ['Open', ''] : ['Join', 'primary']
        const button = make('button', { class: look, text, testid: 'discover-join', is: { type: 'button' } })
        button.onclick = () => go().catch((error: Error) => (note.textContent = error.message))
        list.append(make('li', { testid: 'discover-room', data: { channel } }, sign(kind), about, button))
      }
      note.textContent = list.childElementCount === 0 ? 'There is none yet: make the first one.' : ''
      more.hidden = next === undefined
      more.onclick = () => void load(next)
    } catch (error) {
      note.textContent = (error as Error).message
    }
  }
  void load()
}
