// The panel of a thread: the message that it hangs under, what was answered, and where one answers.

import type { Room, ShownMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import { once } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { Talk } from '../conversation/talk.js'
import { sign } from '../sign.js'

export function threadPanel(app: App, room: Room, id: string, message: string | undefined): Panel {
  const thread = room.thread(id)
  const root = (): ShownMessage | undefined => room.messages.find((one) => one.id === id) ?? thread.root
  const follow = make('button', { class: 'text', testid: 'follow-button' })
  follow.onclick = () => app.attempt(thread.follow(thread.following !== true))
  const talk = new Talk({
    app, room, conversation: thread, label: 'Messages of the thread', placeholder: 'Reply in thread',
    thread: id, root, empty: () => [], gone: () => false,
  })
  const draw = (): void => {
    follow.hidden = thread.following === undefined
    follow.setAttribute('aria-pressed', String(thread.following === true))
    follow.replaceChildren(sign('bell'), thread.following === true ? 'Following' : 'Follow')
  }
  const off = thread.on('change', once(draw))
  draw()
  const body = make('div', { class: 'panel-body', testid: 'thread', data: { thread: id } }, make('div', { class: 'follow' }, follow), talk.element)
  queueMicrotask(() => {
    void talk.begin().then(() => (message === undefined || message === id ? undefined : talk.view.jump(message)))
    talk.focus()
  })
  return {
    id: 'thread', title: 'Thread', body,
    close: () => {
      off()
      talk.close()
      thread.close()
    },
  }
}
