// What can be done with the open room, by rights: the entries of its menu.

import type { NotifyLevel, Room } from '@hubbub/client'
import type { App } from '../app.js'
import { ask, choice, confirm } from '../over/dialog.js'
import type { Choice } from '../over/menu.js'
import { reportsPanel } from '../panels/reports.js'
import { has, isModerator, joined, mayInvite } from '../rights.js'
import { banned, invite } from './moderate.js'
import { filters, settings } from './settings.js'

const LEVELS: readonly { value: NotifyLevel; text: string; hint: string }[] = [
  { value: 'all', text: 'Everything', hint: 'Mentions, replies, and all that is said.' },
  { value: 'mentions', text: 'Mentions', hint: 'Only what speaks to you.' },
  { value: 'none', text: 'Nothing', hint: 'No notices from this room.' },
]

export function roomChoices(app: App, room: Room): Choice[] {
  const { me, room: info } = room
  if (info === undefined) return []
  const choices: Choice[] = []
  if (joined(me)) choices.push({ text: 'Notices…', sign: 'bell', id: 'notify', do: () => notices(room, me.notify) })
  if (mayInvite(info, me)) choices.push({ text: 'Invite somebody…', sign: 'plus', id: 'invite', do: () => invite(room) })
  if (isModerator(me)) {
    choices.push({ text: 'Room settings…', sign: 'gear', id: 'settings', apart: true, do: () => settings(room, info) })
    choices.push({ text: 'Filters…', sign: 'shield', id: 'filters', do: () => app.attempt(filters(room)) })
    choices.push({ text: 'Reports', sign: 'flag', id: 'reports', do: () => app.show(reportsPanel(app, room)) })
    choices.push({ text: 'Banned people…', sign: 'out', id: 'banned', do: () => app.attempt(banned(app, room)) })
  }
  if (has(me, 'owner')) {
    const text = info.archived ? 'Open again' : 'Archive…'
    const run = (): Promise<unknown> => room.archive(!info.archived)
    const archive = (): void => confirm('Archive this room?', 'Everybody can read it, nobody can write in it.', 'Archive', run)
    choices.push({ text, sign: 'inbox', id: 'archive', apart: true, do: () => (info.archived ? app.attempt(run()) : archive()) })
  }
  if (joined(me)) {
    const text = info.kind === 'private' ? 'You need to be invited to come back.' : 'You can join again.'
    const leave = (): void => confirm('Leave this room?', text, 'Leave', () => room.leave().then(() => app.elsewhere()))
    choices.push({ text: 'Leave the room…', sign: 'out', id: 'leave', apart: !has(me, 'owner'), grave: true, do: leave })
  }
  return choices
}

function notices(room: Room, now: NotifyLevel): void {
  const level = choice('What do you want to be told of?', LEVELS, now)
  ask({ title: 'Notices', id: 'notify', confirm: 'Save', body: [level.element], submit: () => room.notify(level.value()) })
}
