// One room in the list: what kind, what it is called, what was said last, and what is unread.

import type { ListedRoom, RoomKind } from '@hubbub/client'
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
      const badges = make('span', { class: 'badges' })
      if (mentions > 0 && !current) badges.append(badge('mentions', 'mention-badge', `@${mentions}`, ' to you'))
      if (fresh > 0) badges.append(badge(me.notify === 'none' ? 'calm' : '', 'unread-badge', count(fresh), ' new'))
      const data = { channel, kind: room.kind, ...(fresh > 0 && { unread: String(fresh) }), ...(mentions > 0 && { mentions: String(mentions) }) }
      return make('li', {}, make('button', {
        class: 'entry', testid: 'room-entry', data, is: { 'aria-current': current ? 'page' : undefined }, click: () => app.go(channel),
      },
      partner === undefined ? mark(room.kind) : face(partner),
      make('span', { class: 'words' }, make('div', { class: 'name' }, named(title)), snippet(listed, app.user)),
      make('span', { class: 'ends' }, make('time', { text: time }), badges)))
    },
  }
}

const mark = (kind: RoomKind): HTMLElement => make('span', { class: 'mark' }, sign(kind), make('span', { class: 'hidden', text: KINDS[kind] }))

const badge = (look: string, testid: string, text: string, words: string): HTMLElement =>
  make('span', { class: `badge ${look}`, testid, text }, make('span', { class: 'hidden', text: words }))

const KINDS = { public: 'Public: ', private: 'Private: ', direct: 'Direct: ', announcement: 'Announcements: ' } as const

export const count = (of: number): string => (of > 99 ? '99+' : String(of))

function snippet({ last, room }: ListedRoom, user: string): HTMLElement {
  if (last === undefined) return make('div', { class: 'snippet', text: room.topic === '' ? 'Nothing said yet' : room.topic, is: { dir: 'auto' } })
  const who = last.from === user ? 'You: ' : room.kind === 'direct' && room.members <= 2 ? '' : `${last.from ?? 'Hubbub'}: `
  const text = last.deleted ? 'message deleted' : (last.text ?? '').replace(/\s+/g, ' ')
  return make('div', { class: 'snippet' }, ...(who === '' ? [] : [named(who)]), named(text))
}
