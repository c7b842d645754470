// What an event makes of a room and of oneself in it, and what is unread. Pure.

import type { Created, Happened } from '../events.js'
import type { LastMessage, Me, Member, RoomInfo } from '../words.js'

/** Most pins that a room remembers. */
const PINS = 100
/** Characters of a text that `last` keeps. */
const LAST_TEXT = 200

/** How many messages of the room one has not read. */
export function unreadOf(room: RoomInfo, me: Me | null): number {
  return me === null ? 0 : Math.max(0, room.messages - me.read)
}

/** How many mentions one has not read, by name and of the whole room. */
export function mentionsOf(room: RoomInfo, me: Me | null): number {
  if (me === null) return 0
  return Math.max(0, me.mentions - me.mentions_read) + Math.max(0, room.mentions_all - me.mentions_all_read)
}

export function roomAfter(room: RoomInfo, happened: Happened): RoomInfo {
  const { event } = happened
  switch (event?.event) {
    case 'room.created':
      return event.room
    case 'room.updated':
      return { ...room, ...event.set }
    case 'member.joined':
    case 'member.left':
    case 'member.banned':
    case 'member.unbanned':
      return { ...room, members: event.members }
    case 'message.created':
      if (event.thread !== undefined) return room
      return { ...room, messages: event.ordinal, mentions_all: event.mentions_all, last: lastOf(happened, event) }
    case 'message.edited':
      if (room.last?.id !== event.message) return room
      return { ...room, last: { ...room.last, text: shortened(event.text) } }
    case 'message.deleted':
      return withoutMessage(room, event.message)
    case 'message.pinned': {
      const others = room.pins.filter((id) => id !== event.message)
      return { ...room, pins: event.pinned ? [event.message, ...others].slice(0, PINS) : others }
    }
    default:
      return room
  }
}

/** Oneself behind an event of the room; `viewer` is who one is. */
export function meAfter(me: Me | null, happened: Happened, viewer: string): Me | null {
  const { event } = happened
  if (event === undefined) return me
  if (event.event === 'message.created') return me && meAfterMessage(me, event, happened.from, viewer)
  if (!('user' in event) || event.user !== viewer) return me
  if (event.event === 'read.moved') {
    if (me === null || event.thread !== undefined) return me
    return { ...me, read: event.ordinal, mentions_read: event.mentions_read, mentions_all_read: event.mentions_all_read }
  }
  if (me === null && event.event !== 'member.joined' && event.event !== 'member.invited') return null
  const now = memberAfter(me ?? stranger(viewer), happened)
  if (event.event !== 'member.joined') return now
  // What was said before one came counts as read, also being mentioned in it.
  return { ...now, read: event.read, mentions_read: now.mentions, mentions_all_read: event.mentions_all_read }
}

/** The member that an event is about, behind it. */
export function memberAfter<M extends Member>(member: M, { event, time }: Happened): M {
  const { banned_until: _, ...others } = member
  const rest = others as M
  switch (event?.event) {
    case 'member.invited':
      return { ...rest, role: event.role, state: 'invited', since: time }
    case 'member.joined':
      return { ...rest, role: event.role, state: 'joined', since: event.since }
    case 'member.left':
      return { ...rest, state: 'left' }
    case 'member.changed':
      return { ...member, role: event.role }
    case 'member.muted':
      return { ...member, muted_until: event.until }
    case 'member.banned':
      return { ...rest, state: 'banned', banned_until: event.until ?? null }
    case 'member.unbanned':
      return { ...rest, state: 'left' }
    case 'read.moved':
      return event.thread === undefined ? { ...member, read: event.ordinal } : member
    default:
      return member
  }
}

/** Somebody who was never in it. */
function stranger(user: string): Me {
  return {
    user, role: 'member', state: 'left', since: 0, muted_until: null,
    read: 0, mentions: 0, mentions_read: 0, mentions_all_read: 0, notify: 'all',
  }
}

/** Being mentioned counts; writing reads everything up to the own message. What is said in threads counts there. */
function meAfterMessage(me: Me, event: Created, from: string | undefined, viewer: string): Me {
  if (event.thread !== undefined) return me
  const mentions = me.mentions + (event.mentions.users.includes(viewer) ? 1 : 0)
  if (from === viewer) return { ...me, mentions, read: event.ordinal, mentions_read: mentions, mentions_all_read: event.mentions_all }
  return mentions === me.mentions ? me : { ...me, mentions }
}

function lastOf({ id, time, from }: Happened, { ordinal, text }: Created): LastMessage {
  return { id, ordinal, time, ...(from !== undefined && { from }), text: shortened(text) }
}

/** Characters, not UTF-16 units: an emoji is not cut in half. */
function shortened(text: string): string {
  return text.length <= LAST_TEXT ? text : [...text].slice(0, LAST_TEXT).join('')
}

function withoutMessage(room: RoomInfo, message: string): RoomInfo {
  const pins = room.pins.includes(message) ? room.pins.filter((id) => id !== message) : room.pins
  if (room.last?.id !== message) return pins === room.pins ? room : { ...room, pins }
  const { text: _, ...last } = room.last
  return { ...room, pins, last: { ...last, deleted: true } }
}
