// One room in the list: what kind, what it is called, what was said last, and what is unread.

import type { ListedRoom } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { Line } from '../../keyed.js'
import type { App } from '../app.js'
import { face } from '../face.js'
import { sign } from '../sign.js'
import { shortTime } from '../words/clock.js'

export function entry(app: App, listed: ListedRoom, current: boolean): Line {
  const { channel, room, unread, mentions, last, me } = listed
  const title = app.titles.of(room)
  const partner = app.titles.partner(room)
  const time = last === undefined ? '' : shortTime(last.time, Date.now())
  // The open room is being read: its count would only flicker.
  const fresh = current ? 0 : unread
  return {
    id: channel,
    shows: [title, partner, room.kind, room.archived, last?.id, last?.text, last?.deleted, time, fresh, mentions, me.notify, current],
    make: () => {
      const kind = partner === undefined ? make('span', { class: 'mark' }, sign(room.kind), make('span', { class: 'hidden', text: KINDS[room.kind] })) : face(partner)
      const words = make('span', { class: 'words' }, make('div', { class: 'name' }, named(title)), snippet(listed, app.user))
      const badges = make('span', { class: 'badges' })
      if (mentions > 0 && !current) badges.append(make('span', { class: 'badge mentions', testid: 'mention-badge', text: `@${mentions}` }, make('span', { class: 'hidden', text: ' to you' })))
      if (fresh > 0) badges.append(make('span', { class: me.notify === 'none' ? 'badge calm' : 'badge', testid: 'unread-badge', text: count(fresh) }, make('span', { class: 'hidden', text: ' new' })))
      const button = make('button', {
        class: 'entry', testid: 'room-entry', data: { channel, kind: room.kind, ...(fresh > 0 && { unread: String(fresh) }), ...(mentions > 0 && { mentions: String(mentions) }) },
        is: { 'aria-current': current ? 'page' : undefined }, click: () => app.go(channel),
      }, kind, words, make('span', { class: 'ends' }, make('time', { text: time }), badges))
      return make('li', {}, button)
    },
  }
}

const KINDS = { public: 'Public: ', private: 'Private: ', direct: 'Direct: ', announcement: 'Announcements: ' } as const

export const count = (of: number): string => (of > 99 ? '99+' : String(of))

function snippet({ last, room }: ListedRoom, user: string): HTMLElement {
  if (last === undefined) return make('div', { class: 'snippet', text: room.topic === '' ? 'Nothing said yet' : room.topic, is: { dir: 'auto' } })
  const who = last.from === user ? 'You: ' : room.kind === 'direct' && room.members <= 2 ? '' : `${last.from ?? 'Hubbub'}: `
  const text = last.deleted ? 'message deleted' : (last.text ?? '').replace(/\s+/g, ' ')
  return make('div', { class: 'snippet' }, ...(who === '' ? [] : [named(who)]), named(text))
}
