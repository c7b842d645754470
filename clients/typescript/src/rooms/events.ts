// What happened in a room or in one's own channel, read from the data of a message. Total on input: something unknown,
// or known and not as it must be, is no event; its place in the log counts all the same.

import type { Message } from '../protocol/frames.js'
import { count, type Fields, type Guard, isFields, list, optional, text } from '../protocol/guard.js'
import type { Attachment, Entity, Notice, NotifyLevel, Person, Role, RoomInfo, Unfurl } from './words.js'

export interface Created {
  event: 'message.created'
  text: string
  entities: Entity[]
  attachments: Attachment[]
  ordinal: number
  reply_to?: string
  thread?: string
  mentions: { users: string[]; all: boolean }
  mentions_all: number
  /** Who follows the thread from now on. */
  follows?: string[]
}

export interface Joined {
  event: 'member.joined'
  user: string
  role: Role
  since: number
  members: number
  read: number
  mentions_all_read: number
  /** A mute from an earlier time in the room. */
  muted_until?: number | null
}

export interface ReadMoved {
  event: 'read.moved'
  user: string
  ordinal: number
  mentions_read: number
  mentions_all_read: number
  /** In the own channel: of which room, and behind which offset of its log. */
  channel?: string
  behind?: number
  thread?: string
}

export type RoomEvent =
  | { event: 'room.created'; room: RoomInfo }
  | { event: 'room.updated'; set: Partial<RoomInfo> }
  | { event: 'member.invited'; user: string; role: Role; muted_until?: number | null }
  | Joined
  | { event: 'member.left'; user: string; members: number; reason: 'left' | 'kicked' | 'declined' }
  | { event: 'member.changed'; user: string; role: Role }
  | { event: 'member.muted'; user: string; until: number | null }
  | { event: 'member.banned'; user: string; until?: number | null; members: number }
  | { event: 'member.unbanned'; user: string; members: number }
  | Created
  | { event: 'message.edited'; message: string; text: string; entities: Entity[]; version: number }
  | { event: 'message.deleted'; message: string; by: 'author' | 'moderator'; hard: boolean }
  | { event: 'message.unfurled'; message: string; unfurls: Unfurl[] }
  | { event: 'message.pinned'; message: string; pinned: boolean }
  | { event: 'reaction.changed'; message: string; emoji: string; user: string; mine: number; count: number }
  | ReadMoved
  | { event: 'typing'; user: string; thread?: string; for_ms: number }

/** Events of the own channel. */
export type OwnEvent =
  | { event: 'room.joined' | 'room.left'; channel: string }
  | { event: 'member.notify'; channel: string; level: NotifyLevel }
  | { event: 'thread.followed'; channel: string; thread: string; following: boolean; read?: number; behind?: number }
  | ReadMoved
  | { event: 'person.changed'; person: Person }
  | { event: 'inbox.added'; notice: Notice; person: Person; replaces?: string }
  | { event: 'inbox.read'; upto?: number; notice?: string; person: Person }

export type AnyEvent = RoomEvent | OwnEvent

/** A message with the event that was read from it; undefined when it could not be. */
export interface Happened {
  channel: string
  id: string
  /** Both absent when it has no place in the log. */
  epoch?: string
  offset?: number
  time: number
  from?: string
  key?: string
  event: AnyEvent | undefined
}

const bool = (value: unknown): boolean => typeof value === 'boolean'
const array = (value: unknown): boolean => Array.isArray(value)
const time = (value: unknown): boolean => value === null || count(value)
const person: Guard = (f) => isFields(f.person) && count(f.person.unread) && time(f.person.dnd_until ?? null)
const inRoom: Guard = (f) => text(f.channel)
const ofUser: Guard = (f) => text(f.user)
const ofMessage: Guard = (f) => text(f.message)
const both = (...guards: Guard[]): Guard => (f) => guards.every((guard) => guard(f))

const EVENTS: Record<AnyEvent['event'], Guard> = {
  'room.created': (f) => isFields(f.room),
  'room.updated': (f) => isFields(f.set),
  'member.invited': both(ofUser, (f) => text(f.role) && time(f.muted_until ?? null)),
  'member.joined': both(ofUser, (f) => text(f.role) && count(f.since) && count(f.members) && count(f.read) && count(f.mentions_all_read) &&
    time(f.muted_until ?? null)),
  'member.left': both(ofUser, (f) => count(f.members)),
  'member.changed': both(ofUser, (f) => text(f.role)),
  'member.muted': both(ofUser, (f) => time(f.until)),
  'member.banned': both(ofUser, (f) => time(f.until ?? null) && count(f.members)),
  'member.unbanned': both(ofUser, (f) => count(f.members)),
  'message.created': (f) =>
    text(f.text) && array(f.entities) && array(f.attachments) && count(f.ordinal) && optional(text)(f.reply_to) && optional(text)(f.thread) &&
    isFields(f.mentions) && array(f.mentions.users) && count(f.mentions_all) && optional(array)(f.follows),
  'message.edited': both(ofMessage, (f) => text(f.text) && array(f.entities) && count(f.version)),
  'message.deleted': both(ofMessage, (f) => text(f.by)),
  'message.unfurled': both(ofMessage, (f) => list(() => true)(f.unfurls)),
  'message.pinned': both(ofMessage, (f) => bool(f.pinned)),
  'reaction.changed': both(ofMessage, ofUser, (f) => text(f.emoji) && count(f.mine) && count(f.count)),
  'read.moved': both(ofUser, (f) => count(f.ordinal) && count(f.mentions_read) && count(f.mentions_all_read) &&
    optional(count)(f.behind)),
  typing: both(ofUser, (f) => count(f.for_ms) && optional(text)(f.thread)),
  'room.joined': inRoom,
  'room.left': inRoom,
  'member.notify': both(inRoom, (f) => text(f.level)),
  'thread.followed': both(inRoom, (f) => text(f.thread) && bool(f.following) && optional(count)(f.read) && optional(count)(f.behind)),
  'person.changed': person,
  'inbox.added': both(person, (f) => isFields(f.notice) && text(f.notice.id)),
  'inbox.read': person,
}

/** Reads a message of a room or of one's own channel; undefined when it is of another kind of channel. */
export function read({ channel, id, epoch, offset, time, from, key, data }: Message): Happened | undefined {
  if (!isFields(data) || typeof data.event !== 'string') return undefined
  return {
    channel, id, time, event: eventOf(data.event, data),
    ...(epoch !== undefined && offset !== undefined && { epoch, offset }),
    ...(from !== undefined && { from }),
    ...(key !== undefined && { key }),
  }
}

function eventOf(name: string, fields: Fields): AnyEvent | undefined {
  if (!Object.hasOwn(EVENTS, name)) return undefined
  // The guard has looked at every field that the models use.
  return EVENTS[name as AnyEvent['event']](fields) ? (fields as AnyEvent) : undefined
}
