// What is set in a room: its name and topic, slow mode, filters, and how it behaves.

import type { LinkFilter, Room, RoomInfo } from '@hubbub/client'
import { make } from '../../dom.js'
import { ask, choice, field } from '../over/dialog.js'
import { has } from '../rights.js'

const SLOW = [
  [0, 'Off'], [5, '5 seconds'], [15, '15 seconds'], [60, '1 minute'], [300, '5 minutes'], [3_600, '1 hour'], [21_600, '6 hours'],
] as const
const REACTIONS = [['distinct', 'Each emoji once'], ['unique', 'One emoji each'], ['counted', 'As often as one likes']] as const
const MENTION = [['member', 'Members'], ['moderator', 'Moderators'], ['owner', 'Owners']] as const

function select(testid: string, options: readonly (readonly [string | number, string])[], chosen: string | number): HTMLSelectElement {
  const known = options.some(([value]) => value === chosen) ? options : [...options, [chosen, String(chosen)] as const]
  const element = make('select', { testid }, ...known.map(([value, text]) => make('option', { text, is: { value: String(value) } })))
  element.value = String(chosen)
  return element
}

/** Name, topic and slow mode for moderators; the rest for owners. */
export function settings(room: Room, info: RoomInfo): void {
  const name = make('input', { testid: 'settings-name', is: { maxlength: '100' } })
  const topic = make('textarea', { testid: 'settings-topic', is: { maxlength: '1000', rows: '2' } })
  name.value = info.name ?? ''
  topic.value = info.topic
  const slow = select('settings-slow', SLOW, info.slow_mode_s)
  const reactions = select('settings-reactions', REACTIONS, info.reactions)
  const mention = select('settings-mention', MENTION, info.mention_all)
  const owner = has(room.me, 'owner')
  const rest = owner ? [field('Reactions of one person', reactions), field('Who may write @here', mention)] : []
  ask({
    title: 'Room settings', id: 'settings', confirm: 'Save',
    body: [field('Name', name), field('Topic', topic), field('Slow mode', slow, 'between two messages of one person'), ...rest],
    submit: async () => {
      const [called, about] = [name.value.trim(), topic.value.trim()]
      if (called !== (info.name ?? '') || about !== info.topic) await room.update({ ...(called !== '' && { name: called }), topic: about })
      // Only what is another now: each of them has rights of its own.
      const changes = {
        ...(Number(slow.value) !== info.slow_mode_s && { slowModeS: Number(slow.value) }),
        ...(reactions.value !== info.reactions && { reactions: reactions.value as RoomInfo['reactions'] }),
        ...(mention.value !== info.mention_all && { mentionAll: mention.value as RoomInfo['mention_all'] }),
      }
      if (Object.keys(changes).length > 0) await room.configure(changes)
    },
  })
}

const LINKS = [
  { value: 'all', text: 'Links of everybody' }, { value: 'members', text: 'Links of members, not of guests' }, { value: 'none', text: 'No links' },
] as const

export async function filters(room: Room): Promise<void> {
  const now = await room.filters()
  const words = make('textarea', { testid: 'filter-words', is: { rows: '5', spellcheck: 'false' } })
  words.value = now.words.join('\n')
  const links = choice<LinkFilter>('What may hold links', LINKS, now.links)
  ask({
    title: 'Filters', id: 'filters', confirm: 'Save', body: [field('Words that are refused', words, 'one a line'), links.element],
    submit: () => room.setFilters({ words: words.value.split('\n').map((word) => word.trim()).filter((word) => word !== ''), links: links.value() }),
  })
}
