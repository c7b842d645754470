// What stands below a message: reactions, its thread, and whose reading ends there.

import type { ShownMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import { face } from '../face.js'
import { sign } from '../sign.js'
import { clock, sameDay, shortTime } from '../words/clock.js'
import { answers, type MessageEvents } from './message.js'

/** Most readers that are shown as faces. */
const FACES = 5

interface Facts {
  /** Reactions of one person add up. */
  counted: boolean
  readers: readonly string[]
  /** Whether its thread is told. */
  thread: boolean
}

export function below(message: ShownMessage, { counted, readers, thread }: Facts, events: MessageEvents): HTMLElement {
  const element = make('div', { class: 'below' })
  const reactions = Object.entries(message.reactions).filter(([, { count }]) => count > 0)
  for (const [emoji, { count, mine = 0 }] of reactions) {
    element.append(counted ? counter(message, emoji, count, mine, events) : chip(message, emoji, count, mine > 0, events))
  }
  if (reactions.length > 0) {
    const more = make('button', { class: 'chip', testid: 'react-more', label: 'Add a reaction' }, sign('smile'))
    more.onclick = () => events.pick(message, more)
    element.append(more)
  }
  if (thread && message.replies > 0) element.append(replies(message, events))
  if (readers.length > 0) element.append(seen(readers))
  return element
}

function chip(message: ShownMessage, emoji: string, count: number, mine: boolean, events: MessageEvents): HTMLElement {
  const label = `${emoji} ${count}${mine ? ', with yours' : ''}`
  return make('button', {
    class: 'chip', testid: 'reaction', label, data: { emoji }, is: { 'aria-pressed': String(mine) },
    click: () => events.react(message, emoji, mine ? -1 : 1),
  }, make('span', { class: 'emoji', text: emoji }), make('span', { text: String(count) }))
}

/** Where they add up: each click is one more, and what is one's own can be taken back one by one. */
function counter(message: ShownMessage, emoji: string, count: number, mine: number, events: MessageEvents): HTMLElement {
  const label = `${emoji} ${count}${mine > 0 ? `, ${mine} of yours` : ''}: one more`
  const more = make('button', {
    class: 'chip', testid: 'reaction', label, data: { emoji, mine: String(mine) }, click: () => events.react(message, emoji, 1),
  }, make('span', { class: 'emoji', text: emoji }), make('span', { text: String(count) }))
  if (mine === 0) return more
  const less = make('button', {
    class: 'less', text: '−', testid: 'reaction-less', label: `Take one ${emoji} back`, click: () => events.react(message, emoji, -1),
  })
  return make('span', { class: 'counter' }, more, less)
}

function replies(message: ShownMessage, events: MessageEvents): HTMLElement {
  const { replies: count, replied, id } = message
  const last = replied === null ? '' : `, last ${sameDay(replied, Date.now()) ? clock(replied) : shortTime(replied, Date.now())}`
  const text = `${answers(count)}${last}`
  return make('button', { class: 'chip replies', testid: 'thread-link', click: () => events.thread(id) }, sign('thread'), make('span', { text }))
}

function seen(readers: readonly string[]): HTMLElement {
  const names = readers.length > 12 ? `${readers.slice(0, 12).join(', ')} and ${readers.length - 12} more` : readers.join(', ')
  const label = `Read by ${names}`
  const element = make('span', { class: 'readers', testid: 'readers', label, is: { role: 'img', title: label }, data: { users: readers.join(' ') } })
  element.append(...readers.slice(0, FACES).map((reader) => face(reader, 'tiny')))
  return element
}
