// Looks at what the hub answers before the models take it. Knows the shapes that they would stumble over, no more.

import { HubError } from '../errors.js'
import { count, epoch, type Guard, isFields, list, optional, text } from '../protocol/guard.js'
import type { Operation } from './operations.js'

const room: Guard = (f) =>
  text(f.channel) && count(f.messages) && count(f.members) && count(f.mentions_all) && count(f.created) && Array.isArray(f.pins)
const me = (value: unknown): boolean =>
  value === undefined || value === null ||
  (isFields(value) && text(value.user) && text(value.state) && count(value.read) && count(value.mentions) && count(value.mentions_read))
const place: Guard = (f) => epoch(f.epoch) && count(f.offset)
const entry: Guard = (f) => isFields(f.room) && room(f.room) && me(f.me) && place(f)
const person = (value: unknown): boolean => isFields(value) && count(value.unread)
const message: Guard = (f) =>
  text(f.id) && count(f.offset) && count(f.ordinal) && text(f.text) && Array.isArray(f.entities) && isFields(f.reactions)

const there = (value: unknown, guard: Guard): boolean => value === undefined || (isFields(value) && guard(value))
const threadPlace: Guard = (f) => text(f.root) && count(f.read) && count(f.mentions) && count(f.mentions_read)

const ANSWERS: Partial<Record<Operation, Guard>> = {
  rooms: (f) => list(entry)(f.rooms) && isFields(f.user) && place(f.user) && person(f.person) && optional(text)(f.next),
  room: entry,
  messages: (f) =>
    place(f) && list(message)(f.messages) && typeof f.before === 'boolean' && typeof f.after === 'boolean' && isFields(f.room) && room(f.room) &&
    me(f.me) && there(f.root, message) && there(f.thread, threadPlace) && there(f.user, place),
  message,
  members: (f) => place(f) && list((m) => text(m.user) && text(m.state))(f.members) && optional(text)(f.next),
  inbox: (f) => place(f) && list((n) => text(n.id) && count(n.offset))(f.notices) && person(f.person),
}

/** Throws when the answer is not one of this operation. */
export function check(op: Operation, answer: unknown): void {
  if (!isFields(answer) || ANSWERS[op]?.(answer) === false) {
    throw new HubError('protocol', `the hub answered \`${op}\` with something else`)
  }
}
