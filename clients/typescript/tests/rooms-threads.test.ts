// Goal: the list of followed threads is right from the first look on: what is answered, read, followed, left and torn.
// Method: a scripted hub.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Rooms } from '../src/index.js'
import { answer, changes, created, entry, event, gap, heard, list, own, refusal, ROOM, roomScene, said } from './rooms-support.js'
import type { Session } from './server.js'

const thread = (fields: object = {}): object => ({
  channel: ROOM, thread: said(1, { replies: 2, replied: 1_500 }), unread: 1, mentions: 0, read: 1, mentions_read: 0, epoch: 'e1', offset: 12, ...fields,
})
const threads = (all: object[] = [thread()], fields: object = {}): object => ({ threads: all, user: { epoch: 'e1', offset: 5 }, ...fields })
const reply = (ordinal: number, offset: number, data: object = {}, fields: object = {}): object =>
  created(ordinal, { ordinal, thread: 'M1', ...data }, { id: `R${ordinal}`, offset, time: 2_000 + offset, ...fields })

async function loaded(rooms: Rooms, session: Session, first: object = threads()): Promise<void> {
  const done = rooms.threads.load()
  await answer(session, 'threads', first)
  await done
}

const state = ({ threads: { list: all } }: Rooms): unknown[] => all.map(({ thread: { id, replies }, unread, mentions }) => [id, replies, unread, mentions])

describe('followed threads', () => {
  test('are had when they are wanted, in all pages, the newest reply first', () => roomScene(async ({ rooms, session }) => {
    assert.deepEqual([rooms.threads.list, rooms.threads.loaded, session.pending('threads')], [[], false, 0])
    const done = rooms.threads.load()
    assert.deepEqual(await answer(session, 'threads', threads([thread()], { next: 'n' })), { limit: 100 })
    const other = thread({ channel: 'room:b', thread: said(7, { replies: 1, replied: 3_000 }), read: 1, unread: 0 })
    assert.deepEqual(await answer(session, 'threads', threads([other])), { limit: 100, after: 'n' })
    await done
    assert.deepEqual(state(rooms), [['M7', 1, 0, 0], ['M1', 2, 1, 0]])
    assert.equal(rooms.threads.unread, 1)
    assert.equal(rooms.threads.list, rooms.threads.list)
    await rooms.threads.load()
    assert.equal(session.pending('threads'), 0, 'they are kept up to date')
  }))

  test('a reply of another is new, names one, and is read here or elsewhere', () => roomScene(async ({ rooms, session }) => {
    await loaded(rooms, session)
    session.say(reply(3, 13, { mentions: { users: ['u1'], all: false } }))
    await changes(rooms.threads, () => rooms.threads.list[0]?.unread === 2)
    assert.deepEqual(state(rooms), [['M1', 3, 2, 1]])
    session.say(own(6, 'read.moved', { user: 'u1', channel: ROOM, thread: 'M1', ordinal: 3, mentions_read: 1, mentions_all_read: 0, behind: 13 }))
    await changes(rooms.threads, () => rooms.threads.unread === 0)
    assert.deepEqual(state(rooms), [['M1', 3, 0, 0]])
    session.say(reply(4, 14, {}, { from: 'u1' }))
    await changes(rooms.threads, () => rooms.threads.list[0]?.thread.replies === 4)
    assert.deepEqual(state(rooms), [['M1', 4, 0, 0]], 'one has read what one wrote')
  }))

  test('what came before the answer counts once', () => roomScene(async ({ rooms, session }) => {
    const done = rooms.threads.load()
    const asked = await session.op('threads')
    session.sayAll(reply(2, 12), reply(3, 13), { type: 'reply', id: asked.id, result: threads() }, reply(4, 14))
    await done
    await changes(rooms.threads, () => rooms.threads.list[0]?.thread.replies === 4)
    assert.deepEqual(state(rooms), [['M1', 4, 3, 0]])
  }))

  test('one more that is followed is asked for; one that is not any more goes, and comes back', () => roomScene(async ({ rooms, session }) => {
    await loaded(rooms, session)
    session.say(own(6, 'thread.followed', { channel: ROOM, thread: 'M1', following: false, behind: 12 }))
    await changes(rooms.threads, () => rooms.threads.list.length === 0)
    session.say(own(7, 'thread.followed', { channel: ROOM, thread: 'M1', following: true, read: 2, behind: 12 }))
    await changes(rooms.threads, () => rooms.threads.list.length === 1)
    assert.equal(session.pending('threads'), 0)
    session.say(created(3, { ordinal: 1, thread: 'M2', follows: ['u1'] }))
    const more = thread({ thread: said(2, { replies: 1, replied: 1_003 }), read: 0, offset: 13 })
    await answer(session, 'threads', threads([thread({ offset: 13 }), more], { user: { epoch: 'e1', offset: 7 } }))
    await changes(rooms.threads, () => rooms.threads.list.length === 2)
    assert.deepEqual(state(rooms), [['M1', 2, 1, 0], ['M2', 1, 1, 0]])
  }))

  test('those of a room that one leaves go, and so does one without its root', () => roomScene(async ({ rooms, session }) => {
    await loaded(rooms, session, threads([thread(), thread({ channel: 'room:b', thread: said(7, { replies: 1, replied: 900 }) })]))
    session.say(own(6, 'room.left', { channel: 'room:b' }))
    await changes(rooms.threads, () => rooms.threads.list.length === 1)
    session.say(event(13, 'message.deleted', { message: 'M1', by: 'moderator', hard: true }))
    await changes(rooms.threads, () => rooms.threads.list.length === 0)
  }))

  test('a gap and a new connection ask for them again', () => roomScene(async ({ rooms, server, session }) => {
    await loaded(rooms, session)
    session.say(gap(13, 14))
    await answer(session, 'threads', threads([thread({ unread: 2, read: 0, offset: 14 })]))
    await changes(rooms.threads, () => rooms.threads.list[0]?.unread === 2)
    session.cut()
    const second = await server.session()
    await second.welcome()
    assert.equal(rooms.threads.list.length, 1, 'until then they are what they were')
    await answer(second, 'rooms', list([entry({ offset: 20 })]))
    await answer(second, 'threads', threads([]))
    await changes(rooms.threads, () => rooms.threads.list.length === 0)
  }))

  test('that can not be had is told to whoever asked', () => roomScene(async ({ hub, rooms, session }) => {
    const done = rooms.threads.load()
    const asked = await session.op('threads')
    session.say(refusal(asked.id, 'forbidden'))
    await assert.rejects(done, { code: 'forbidden' })
    await heard(hub, session)
    assert.equal(rooms.threads.loaded, false)
  }))
})
