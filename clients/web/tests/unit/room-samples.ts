// Rooms and messages for the tests of the chat's pure parts.

import type { ListedRoom, Me, RoomInfo, ShownMessage } from '@hubbub/client'

export const NOON = new Date(2026, 4, 12, 12).getTime()

export const message = (ordinal: number, fields: Partial<ShownMessage> = {}): ShownMessage => ({
  id: `m${ordinal}`, offset: ordinal + 10, ordinal, time: NOON + ordinal * 1_000, from: 'bo', text: `text ${ordinal}`, entities: [], attachments: [],
  unfurls: [], version: 0, edited: null, deleted: null, pinned: false, reactions: {}, replies: 0, replied: null, ...fields,
})

export const room = (fields: Partial<RoomInfo> = {}): RoomInfo => ({
  channel: 'room:a', kind: 'public', name: 'A', topic: '', archived: false, created: NOON, by: 'bo', members: 2, messages: 0, mentions_all: 0,
  slow_mode_s: 0, reactions: 'distinct', receipts: true, mention_all: 'member', retention_days: 0, filtered: false, pins: [], ...fields,
})

export const me = (fields: Partial<Me> = {}): Me => ({
  user: 'ada', role: 'member', state: 'joined', since: NOON, read: 0, mentions: 0, mentions_read: 0, mentions_all_read: 0, notify: 'all',
  muted_until: null, ...fields,
})

export const listed = (channel: string, fields: Partial<RoomInfo> = {}, mine: Partial<Me> = {}): ListedRoom => {
  const info = room({ channel, ...fields })
  return { channel, room: info, me: me(mine), unread: 0, mentions: 0, last: info.last }
}
