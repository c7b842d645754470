// What the tests of rooms share: answers and events as the hub says them, and a hub that is asked for rooms.

import type { Hub, HubOptions, Me, RoomInfo, RoomMessage, Rooms } from '../src/index.js'
import type { Session, TestServer } from './server.js'
import { once, scene, turn } from './support.js'

export const ROOM = 'room:a'

export function room(fields: Partial<RoomInfo> = {}): RoomInfo {
  return {
    channel: ROOM, kind: 'public', name: 'A', topic: '', archived: false, created: 1_000, by: 'u2', members: 2, messages: 2, mentions_all: 0,
    slow_mode_s: 0, reactions: 'distinct', receipts: true, mention_all: 'member', retention_days: 0, filtered: false, pins: [],
    last: { id: 'M2', ordinal: 2, time: 1_002, from: 'u2', text: 'text 2' }, ...fields,
  }
}

export function me(fields: Partial<Me> = {}): Me {
  return {
    user: 'u1', role: 'member', state: 'joined', since: 1_000, read: 2, mentions: 0, mentions_read: 0, mentions_all_read: 0, notify: 'all',
    muted_until: null, ...fields,
  }
}

/** The `n`th message of the room, at offset 10 + n. */
export function said(n: number, fields: Partial<RoomMessage> = {}): RoomMessage {
  return {
    id: `M${n}`, offset: 10 + n, ordinal: n, time: 1_000 + n, from: 'u2', text: `text ${n}`, entities: [], attachments: [], unfurls: [],
    version: 0, edited: null, deleted: null, pinned: false, reactions: {}, replies: 0, replied: null, ...fields,
  }
}

export function entry(fields: object = {}): object {
  return { room: room(), me: me(), epoch: 'e1', offset: 12, unread: 0, mentions: 0, ...fields }
}

export function list(rooms: object[] = [entry()], fields: object = {}): object {
  return { rooms, user: { epoch: 'e1', offset: 5 }, person: { unread: 0, dnd_until: null }, ...fields }
}

export function page(fields: object = {}): object {
  return { epoch: 'e1', offset: 12, messages: [said(1), said(2)], before: false, after: false, room: room(), me: me(), ...fields }
}

/** An event of the room. */
export function event(offset: number, name: string, data: object, fields: object = {}): object {
  return {
    type: 'message', channel: ROOM, id: `E${offset}`, epoch: 'e1', offset, time: 1_000 + offset, from: 'u2', data: { event: name, v: 1, ...data }, ...fields,
  }
}

/** An event of the own channel. */
export function own(offset: number, name: string, data: object): object {
  return event(offset, name, data, { channel: 'user:u1' })
}

/** The event of the `n`th message. */
export function created(n: number, data: object = {}, fields: object = {}): object {
  const plain = { text: `text ${n}`, entities: [], attachments: [], ordinal: n, mentions: { users: [], all: false }, mentions_all: 0 }
  return event(10 + n, 'message.created', { ...plain, ...data }, { id: `M${n}`, time: 1_000 + n, ...fields })
}

export const gap = (from: number, to: number, channel = ROOM): object => ({ type: 'gap', channel, epoch: 'e1', from, to, reason: 'expired' })
export const refusal = (id: unknown, code: string, retry: number | null = null): object => ({ type: 'error', id, code, message: 'no', retry_after_ms: retry })
export const ids = (of: { messages: readonly { id: string }[] }): string[] => of.messages.map(({ id }) => id)

/** Answers the next operation of this name, and tells what was asked. */
export async function answer(session: Session, op: string, result: object): Promise<Record<string, unknown>> {
  const frame = await session.op(op)
  session.say({ type: 'reply', id: frame.id, result })
  const { type: _, id: __, op: ___, ...fields } = frame
  return fields
}

/** Until `done` holds, looking whenever the source changes. */
export async function changes(source: { on(name: 'change', listener: () => void): () => void }, done: () => boolean): Promise<void> {
  while (!done()) await once(source as never, 'change')
}

export interface RoomScene {
  hub: Hub
  rooms: Rooms
  server: TestServer
  session: Session
  errors: string[]
}

/** A client whose list of rooms has been answered. */
export function roomScene(run: (scene: RoomScene) => Promise<void>, options: Partial<HubOptions> = {}, rooms: object = list()): Promise<void> {
  return scene(async ({ hub, server, errors }) => {
    hub.rooms.on('error', (error) => errors.push(error.code))
    const session = await server.session()
    await session.welcome()
    await answer(session, 'rooms', rooms)
    await changes(hub.rooms, () => hub.rooms.loaded)
    await run({ hub, rooms: hub.rooms, server, session, errors })
  }, options)
}

/** Until everything that was said before has been heard. */
export async function heard(hub: Hub, session: Session): Promise<void> {
  const marker = once(hub as never, 'error')
  session.say({ type: 'error', code: 'marker', message: '', retry_after_ms: null })
  await marker
  await turn()
}
