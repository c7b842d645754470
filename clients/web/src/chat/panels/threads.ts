// The panel of threads that one follows, with what is unread in each.

import type { ThreadEntry } from '@hubbub/client'
import { make } from '../../dom.js'
import type { App, Panel } from '../app.js'
import { answers } from '../conversation/message.js'
import { hit, step } from './search.js'

export function threadsPanel(app: App): Panel {
  const list = make('ol', { testid: 'threads' })
  const note = make('p', { class: 'quiet note', text: 'Loading…' })
  const more = make('button', { class: 'text', text: 'Show more' })
  more.hidden = true
  const load = async (after?: string): Promise<void> => {
    const { threads, next } = await app.rooms.threads({ after })
    list.append(...threads.map((entry) => line(app, entry)))
    note.textContent = 'You follow no thread: write in one, and it is here.'
    note.hidden = list.childElementCount > 0
    more.hidden = next === undefined
    more.onclick = () => app.attempt(load(next))
  }
  list.onkeydown = (event) => step(event, list)
  app.attempt(load())
  return { id: 'threads', title: 'Threads', body: make('div', { class: 'scrolls' }, note, list, more) }
}

function line(app: App, { channel, thread, unread, mentions }: ThreadEntry): HTMLElement {
  const text = thread.deleted ? 'Message deleted' : thread.text
  const facts = [answers(thread.replies), unread > 0 ? `${unread} new` : '', mentions > 0 ? `${mentions} to you` : '']
  const about = make('span', { class: 'quiet', text: facts.filter((fact) => fact !== '').join(' · ') })
  const place = { channel, thread: thread.id, from: thread.from, time: thread.replied ?? thread.time }
  const button = hit(app, place, make('p', { text, is: { dir: 'auto' } }), about)
  button.toggleAttribute('data-unread', unread > 0)
  return make('li', { testid: 'thread-entry', data: { thread: thread.id, unread: String(unread) } }, button)
}
