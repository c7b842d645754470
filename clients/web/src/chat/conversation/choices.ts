// What can be done with one message, by rights: the entries of its menu.

import type { Conversation, Room, ShownMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import type { App } from '../app.js'
import { ban, mute } from '../dialogs/moderate.js'
import { ask, confirm, field } from '../over/dialog.js'
import type { Choice } from '../over/menu.js'
import { above, isModerator, joined, mayDelete, mayEdit, mayPin, shut } from '../rights.js'
import { fullTime } from '../words/clock.js'
import { nameOf } from './message.js'
import { said } from './said.js'

/** What the view itself does. */
export interface Doing {
  reply(message: ShownMessage): void
  edit(message: ShownMessage): void
  react(message: ShownMessage): void
}

export function choicesFor(app: App, room: Room, conversation: Conversation, message: ShownMessage, doing: Doing): Choice[] {
  const info = room.room
  if (info === undefined) return []
  const { me } = room
  const closed = shut(info, me, Date.now())
  const choices: Choice[] = []
  if (joined(me)) choices.push({ text: 'Add a reaction', sign: 'smile', id: 'react', do: () => doing.react(message) })
  if (closed === null) choices.push({ text: 'Reply', sign: 'reply', id: 'reply', do: () => doing.reply(message) })
  if (message.thread === undefined) {
    choices.push({ text: 'Open thread', sign: 'thread', id: 'thread', do: () => app.go(room.channel, { thread: message.id }) })
  }
  choices.push({ text: 'Copy text', sign: 'copy', id: 'copy', do: () => app.attempt(navigator.clipboard.writeText(message.text)) })
  if (mayPin(info, me)) {
    const text = message.pinned ? 'Unpin' : 'Pin'
    choices.push({ text, sign: 'pin', id: 'pin', do: () => app.attempt(conversation.pin(message.id, !message.pinned)) })
  }
  if (info.receipts && joined(me) && message.thread === undefined) {
    choices.push({ text: 'Read by…', sign: 'eye', id: 'readers', do: () => void readers(app, conversation, message) })
  }
  if (message.version > 0) {
    choices.push({ text: 'Earlier versions…', sign: 'edit', id: 'versions', do: () => void versions(app, conversation, message) })
  }
  if (mayEdit(message, app.user, closed)) choices.push({ text: 'Edit', sign: 'edit', id: 'edit', do: () => doing.edit(message) })
  return [...choices, ...grave(app, room, conversation, message)]
}

/** What can not be taken back, or is against somebody. */
function grave(app: App, room: Room, conversation: Conversation, message: ShownMessage): Choice[] {
  const { user } = app
  const { from, id } = message
  const choices: Choice[] = []
  if (from !== user) choices.push({ text: 'Report…', sign: 'flag', id: 'report', apart: true, do: () => report(app, conversation, message) })
  if (mayDelete(message, user, room.me)) {
    const title = from === user ? 'Delete this message?' : `Delete this message of ${nameOf(message)}?`
    const text = 'Its text is gone for everybody.'
    const run = (): Promise<unknown> => conversation.delete(id)
    choices.push({ text: 'Delete…', sign: 'trash', id: 'delete', apart: from === user, grave: true, do: () => confirm(title, text, 'Delete', run) })
  }
  const member = room.members.find((one) => one.user === from)
  if (from === undefined || from === user || !isModerator(room.me) || !above(room.me, member)) return choices
  return [
    ...choices,
    { text: `Mute ${from}…`, sign: 'mute', id: 'mute', grave: true, do: () => mute(room, from) },
    { text: `Ban ${from}…`, sign: 'shield', id: 'ban', grave: true, do: () => ban(room, from) },
  ]
}

function report(app: App, conversation: Conversation, message: ShownMessage): void {
  const reason = make('textarea', { testid: 'report-reason', is: { rows: '3', maxlength: '500', required: '' } })
  ask({
    title: 'Report this message', id: 'report', confirm: 'Report',
    body: [field('What is wrong with it?', reason, 'Moderators of this room read it.')],
    submit: async () => {
      await conversation.report(message.id, reason.value.trim())
      app.announce('Reported to the moderators')
    },
  })
}

async function readers(app: App, conversation: Conversation, message: ShownMessage): Promise<void> {
  try {
    const users = await conversation.receipts(message.id)
    const list = make('ul', { class: 'found' }, ...users.map((user) => make('li', { testid: 'reader', text: user })))
    ask({ title: 'Read by', id: 'readers', body: users.length > 0 ? [list] : [make('p', { class: 'quiet', text: 'Nobody else yet.' })] })
  } catch (error) {
    app.tell((error as Error).message)
  }
}

async function versions(app: App, conversation: Conversation, message: ShownMessage): Promise<void> {
  try {
    const all = await conversation.versions(message.id)
    const list = make('ol', { class: 'found' }, ...all.map(({ text, entities, time }) =>
      make('li', {}, said(text, entities, app.user), make('time', { class: 'quiet', text: fullTime(time) }))))
    ask({ title: 'Earlier versions', id: 'versions', body: [list] })
  } catch (error) {
    app.tell((error as Error).message)
  }
}
