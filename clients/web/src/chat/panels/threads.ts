// The panel of threads that one follows, the newest reply first, with what is unread in each.

import type { FollowedThread } from '@hubbub/client'
import { make } from '../../dom.js'
import { Keyed, once } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { answers } from '../conversation/message.js'
import { shortTime } from '../words/clock.js'
import { hit, step } from './search.js'

export function threadsPanel(app: App): Panel {
  const { threads } = app.rooms
  const list = make('ol', { testid: 'threads' })
  const keyed = new Keyed(list)
  const note = make('p', { class: 'quiet note', testid: 'threads-note' })
  const draw = (): void => {
    keyed.draw(threads.list.map((followed) => ({
      id: `${followed.channel} ${followed.thread.id}`,
      shows: [followed, app.rooms.get(followed.channel)?.room, shortTime(newsOf(followed), Date.now())],
      make: () => line(app, followed),
    })))
    note.textContent = threads.loaded ? 'You follow no thread: write in one, and it is here.' : 'Loading…'
    note.hidden = threads.list.length > 0
  }
  const off = threads.on('change', once(draw))
  list.onkeydown = (event) => step(event, list)
  draw()
  app.attempt(threads.load())
  return { id: 'threads', title: 'Threads', body: make('div', { class: 'scrolls' }, note, list), close: off }
}

const newsOf = ({ thread }: FollowedThread): number => thread.replied ?? thread.time

function line(app: App, followed: FollowedThread): HTMLElement {
  const { channel, thread, unread, mentions } = followed
  const text = thread.deleted ? 'Message deleted' : thread.text
  const facts = [answers(thread.replies), unread > 0 ? `${unread} new` : '', mentions > 0 ? `${mentions} to you` : '']
  const about = make('span', { class: 'quiet', text: facts.filter((fact) => fact !== '').join(' · ') })
  const place = { channel, thread: thread.id, from: thread.from, time: newsOf(followed) }
  const button = hit(app, place, make('p', { text, is: { dir: 'auto' } }), about)
  button.toggleAttribute('data-unread', unread > 0)
  return make('li', { testid: 'thread-entry', data: { thread: thread.id, unread: String(unread) } }, button)
}
