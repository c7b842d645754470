// What stands in place of the composer for whoever may not write, and what can be done about it.

import type { Room } from '@hubbub/client'
import { make } from '../../dom.js'
import type { App } from '../app.js'
import type { Shut } from '../rights.js'
import { until } from '../words/clock.js'

const WORDS: Record<Exclude<Shut['why'], 'muted'>, string> = {
  stranger: 'You read this room as a visitor.',
  outside: 'You are not in this room any more.',
  invited: 'You are invited to this room.',
  banned: 'You are banned from this room.',
  archived: 'This room is archived: nobody writes here any more.',
  announcement: 'Only moderators write here.',
}

export function shutElement(app: App, room: Room, shut: Shut): HTMLElement {
  const line = make('div', { class: 'shut', testid: 'shut', data: { why: shut.why } }, make('span', { text: words(shut) }))
  if (shut.why === 'stranger' || shut.why === 'invited') {
    line.append(make('button', { class: 'primary', text: 'Join', testid: 'join-room', click: () => app.attempt(room.join()) }))
  }
  return make('div', { class: 'composer' }, line)
}

function words(shut: Shut): string {
  if (shut.why !== 'muted') return WORDS[shut.why]
  const end = until(shut.until, Date.now())
  return end === undefined ? 'You are muted in this room.' : `You are muted in this room until ${end}.`
}
