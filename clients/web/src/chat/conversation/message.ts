// One message as an element: who, when, what, and what belongs to it. Knows nothing of the hub; what can be done with
// it is asked of its events.

import type { RoomMessage, ShownMessage } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { face } from '../face.js'
import { clock, dayName, fullTime, shortClock } from '../words/clock.js'
import { below } from './below.js'
import type { Row } from './rows.js'
import { said, speaksTo } from './said.js'
import { unfurlElements } from './unfurls.js'

export interface MessageEvents {
  /** Shows the message that is quoted. */
  jump(message: string): void
  thread(message: string): void
  /** Takes part in a reaction once more, or once less. */
  react(message: ShownMessage, emoji: string, by: 1 | -1): void
  pick(message: ShownMessage, anchor: HTMLElement): void
}

/** A message that is quoted: null when it is gone, undefined until it is known. */
export type Quoted = RoomMessage | null | undefined

export interface Shown {
  row: Row
  user: string
  quoted: Quoted
  /** In a thread, the message that it hangs under. */
  root: boolean
  /** Said above the first message of all. */
  opening: string | undefined
  /** Reactions of one person add up. */
  counted: boolean
  now: number
}

export const nameOf = (message: Pick<RoomMessage, 'from'>): string => message.from ?? 'a service'

/** What is on its way is one's own, also before the hub has said who one is. */
const authorOf = (message: ShownMessage, user: string): string => (message.outgoing === undefined ? nameOf(message) : user)

export const stateOf = ({ outgoing }: ShownMessage): 'sent' | 'sending' | 'failed' =>
  outgoing === undefined || outgoing.state === 'sent' ? 'sent' : outgoing.state === 'pending' ? 'sending' : 'failed'

export function messageElement(shown: Shown, events: MessageEvents): HTMLElement {
  const { row, user, root } = shown
  const { message, first } = row
  const state = stateOf(message)
  const element = make('article', {
    class: `message${first ? ' first' : ''}${message.from !== user && speaksTo(message.entities, user) ? ' to-me' : ''}`,
    testid: 'message',
    label: summary(message, user),
    data: { id: message.id, from: message.outgoing === undefined ? (message.from ?? '') : user, state, ...(state === 'sent' && { ordinal: String(message.ordinal) }) },
    is: { tabindex: '-1' },
  })
  element.append(...rules(shown))
  const side = first ? face(authorOf(message, user)) : make('span', { class: 'gutter', text: shortClock(message.time), is: { 'aria-hidden': 'true' } })
  const content = make('div', { class: 'content' })
  if (first) content.append(head(message, user))
  if (message.reply_to !== undefined && !message.deleted) content.append(quotes(message.reply_to, shown.quoted, events))
  content.append(...body(message, user), ...(first ? [] : notes(message)), ...failure(message))
  content.append(below(message, { counted: shown.counted, readers: row.readers, thread: !root && message.thread === undefined }, events))
  element.append(make('div', { class: 'line' }, side, content))
  if (root) element.append(make('div', { class: 'rule', text: answers(message.replies) }))
  // By the keyboard one goes from message to message; what is in one comes with the Tab key once one is there.
  for (const control of element.querySelectorAll<HTMLElement>('a, button')) control.tabIndex = -1
  return element
}

/** What is heard when the focus comes to it. */
function summary(message: ShownMessage, user: string): string {
  const text = message.deleted ? 'message deleted' : message.text.slice(0, 300)
  return `${authorOf(message, user)}, ${clock(message.time)}: ${text}`
}

export const answers = (count: number): string => (count === 0 ? 'No replies yet' : `${count} ${count === 1 ? 'reply' : 'replies'}`)

function rules({ row, opening, now }: Shown): HTMLElement[] {
  const lines: HTMLElement[] = []
  if (opening !== undefined) lines.push(make('p', { class: 'opening', testid: 'beginning' }, named(opening)))
  if (row.day) lines.push(make('div', { class: 'rule', testid: 'day', text: dayName(row.message.time, now) }))
  if (row.unread) lines.push(make('div', { class: 'rule unread', testid: 'unread-line', text: 'New messages' }))
  return lines
}

function head(message: ShownMessage, user: string): HTMLElement {
  const time = make('time', { text: clock(message.time), is: { datetime: new Date(message.time).toISOString(), title: fullTime(message.time) } })
  return make('div', { class: 'head' }, named(authorOf(message, user), { class: 'author' }), time, ...notes(message))
}

function quotes(id: string, quoted: Quoted, events: MessageEvents): HTMLElement {
  const button = make('button', { class: 'quotes', testid: 'quote', data: { message: id }, click: () => events.jump(id) })
  if (quoted === undefined) button.append(make('span', { class: 'what', text: 'In reply to a message' }))
  else if (quoted === null || quoted.deleted) button.append(make('span', { class: 'what', text: 'In reply to a deleted message' }))
  else button.append(make('strong', {}, named(nameOf(quoted))), named(quoted.text.replace(/\s+/g, ' ').slice(0, 200), { class: 'what' }))
  return button
}

function body(message: ShownMessage, user: string): HTMLElement[] {
  if (message.deleted) {
    const text = message.deleted === 'moderator' ? 'Removed by a moderator' : 'Message deleted'
    return [make('p', { class: 'tombstone', testid: 'tombstone', text })]
  }
  const text = said(message.text, message.entities, user)
  const files = message.attachments.filter(({ url }) => url.startsWith('https:')).map(({ name, url }) =>
    make('a', { class: 'attachment', is: { href: url, rel: 'noopener noreferrer', target: '_blank' } }, named(name)))
  return [text, ...files, ...unfurlElements(message.unfurls)]
}

/** What became of it: edited, pinned, on its way. Beside its time, where that is. */
function notes(message: ShownMessage): HTMLElement[] {
  const words: string[] = []
  if (message.edited !== null && !message.deleted) words.push('edited')
  if (message.pinned) words.push('pinned')
  if (stateOf(message) === 'sending') words.push('sending…')
  return words.length === 0 ? [] : [make('span', { class: 'state', testid: 'message-note', text: words.join(' · ') })]
}

function failure(message: ShownMessage): HTMLElement[] {
  const { outgoing } = message
  if (stateOf(message) !== 'failed' || outgoing === undefined) return []
  const retry = make('button', { class: 'text', text: 'Try again', testid: 'retry-button', click: () => outgoing.retry() })
  const discard = make('button', { class: 'text', text: 'Discard', testid: 'discard-button', click: () => outgoing.discard() })
  return [make('div', { class: 'failure' }, `Not sent: ${outgoing.error?.message ?? 'the hub refused it'}`, retry, discard)]
}
