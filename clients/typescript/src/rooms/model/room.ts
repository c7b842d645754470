// What an event makes of a room and of oneself in it, and what is unread. Pure.

import type { Created, Happened, ReadMoved } from '../events.js'
import type { LastMessage, Me, Member, RoomInfo } from '../words.js'
import { isErasure } from './message.js'

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
      return withoutMessage(room, event.message, isErasure(happened))
    case 'message.pinned': {
      const others = room.pins.filter((id) => id !== event.message)
      return { ...room, pins: event.pinned ? [event.message, ...others].slice(0, PINS) : others }
    }
    default:
      return room
  }
}

/** Whether an event of the room moves one's read mark. */
export function movesMark({ event, from }: Happened, viewer: string): boolean {
  if (event?.event === 'message.created') return event.thread === undefined && from === viewer
  if (event?.event === 'read.moved') return event.thread === undefined && event.user === viewer
  return event?.event === 'member.joined' && event.user === viewer
}

/**
 * Oneself behind an event of the room, which was `room` before it; `viewer` is who one is. `moves` is false when the read
 * mark is told by something later already.
 */
export function meAfter(me: Me | null, happened: Happened, viewer: string, room: RoomInfo, moves = true): Me | null {
  const { event } = happened
  switch (event?.event) {
    case 'message.created':
      return me && meAfterMessage(me, event, happened.from === viewer && moves, viewer)
    case 'read.moved':
      return me !== null && moves && movesMark(happened, viewer) ? meRead(me, event) : me
    case 'member.joined': {
      if (event.user !== viewer) return me
      const now = memberAfter(me ?? stranger(viewer, room, happened.time), happened)
      // What was said before one came counts as read, also being mentioned in it.
      return moves ? { ...now, read: event.read, mentions_read: now.mentions, mentions_all_read: event.mentions_all_read } : now
    }
    default:
      return isOfMember(happened, viewer) ? memberAfter(me ?? stranger(viewer, room, happened.time), happened) : me
  }
}

/** Oneself behind a read mark of either log. */
export function meRead(me: Me, { ordinal, mentions_read, mentions_all_read }: ReadMoved): Me {
  return { ...me, read: ordinal, mentions_read, mentions_all_read }
}

/** Whether an event changes how somebody belongs to the room. */
export function isOfMember({ event }: Happened, user: string): boolean {
  return event !== undefined && MEMBER_EVENTS.has(event.event) && 'user' in event && event.user === user
}

const MEMBER_EVENTS: ReadonlySet<string> = new Set([
  'member.invited', 'member.joined', 'member.left', 'member.changed', 'member.muted', 'member.banned', 'member.unbanned',
])

/** The member that an event is about, behind it. */
export function memberAfter<M extends Member>(member: M, { event, time }: Happened): M {
  const { banned_until: _, ...others } = member
  const rest = others as M
  switch (event?.event) {
    case 'member.invited':
      return { ...rest, role: event.role, state: 'invited', since: time, muted_until: event.muted_until ?? null }
    case 'member.joined':
      return { ...rest, role: event.role, state: 'joined', since: event.since, muted_until: event.muted_until ?? null }
    case 'member.left':
      return { ...rest, state: 'left' }
    case 'member.changed':
      return { ...member, role: event.role }
    case 'member.muted':
      return { ...member, muted_until: event.until }
    case 'member.banned':
      return { ...rest, state: 'banned', role: 'member', banned_until: event.until ?? null }
    case 'member.unbanned':
      return { ...rest, state: 'left' }
    default:
      return member
  }
}

/** Somebody who was never in it: what was said until then counts as read. */
function stranger(user: string, room: RoomInfo, time: number): Me {
  return {
    user, role: 'member', state: 'left', since: time, muted_until: null,
    read: room.messages, mentions: 0, mentions_read: 0, mentions_all_read: room.mentions_all, notify: 'all',
  }
}

/** Being mentioned counts; writing reads everything up to the own message. What is said in threads counts there. */
function meAfterMessage(me: Me, event: Created, reads: boolean, viewer: string): Me {
  if (event.thread !== undefined) return me
  const mentions = me.mentions + (event.mentions.users.includes(viewer) ? 1 : 0)
  if (reads) return { ...me, mentions, read: event.ordinal, mentions_read: mentions, mentions_all_read: event.mentions_all }
  return mentions === me.mentions ? me : { ...me, mentions }
}

function lastOf({ id, time, from }: Happened, { ordinal, text }: Created): LastMessage {
  return { id, ordinal, time, ...(from !== undefined && { from }), text: shortened(text) }
}

/** Characters, not UTF-16 units: an emoji is not cut in half. */
function shortened(text: string): string {
  return text.length <= LAST_TEXT ? text : [...text].slice(0, LAST_TEXT).join('')
}

function withoutMessage(room: RoomInfo, message: string, erased: boolean): RoomInfo {
  const pins = room.pins.includes(message) ? room.pins.filter((id) => id !== message) : room.pins
  if (room.last?.id !== message) return pins === room.pins ? room : { ...room, pins }
  const { text: _, from, ...last } = room.last
  return { ...room, pins, last: { ...last, ...(from !== undefined && !erased && { from }), deleted: true } }
}
