// Goal: an open room shows its messages without holes and up to date, wherever its window is and whatever the connection
// does. Method: a scripted hub that answers pages late, tears, breaks off and lets nobody in.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Room, Rooms } from '../src/index.js'
import {
  answer, changes, created, entry, event, gap, heard, ids, list, me, own, page, refusal, room, ROOM, roomScene, said,
} from './rooms-support.js'
import type { Session } from './server.js'
import { ManualTimers, once } from './support.js'

const ask = async (session: Session, result: object = page()): Promise<Record<string, unknown>> => answer(session, 'messages', result)

/** An open room that has its first page. */
async function opened(rooms: Rooms, session: Session, first: object = page()): Promise<Room> {
  const open = rooms.open(ROOM)
  await ask(session, first)
  await changes(open, () => open.loaded)
  return open
}

describe('an open room', () => {
  test('shows the newest page and what happens to it', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open(ROOM)
    assert.equal(rooms.open(ROOM), open)
    assert.deepEqual([open.loaded, open.loading, open.messages.length], [false, true, 0])
    assert.deepEqual(await ask(session, page({ before: true })), { channel: ROOM, limit: 50 })
    await changes(open, () => open.loaded)
    assert.deepEqual([ids(open), open.before, open.after, open.loading, open.room?.name, open.me?.role], [['M1', 'M2'], true, false, false, 'A', 'member'])
    const [first, second] = open.messages
    session.sayAll(created(3), event(14, 'reaction.changed', { message: 'M2', emoji: '👍', user: 'u1', mine: 1, count: 1 }))
    await changes(open, () => open.messages[1]?.reactions['👍']?.mine === 1)
    assert.deepEqual(ids(open), ['M1', 'M2', 'M3'])
    assert.equal(open.messages[0], first, 'what did not change is the same object')
    assert.notEqual(open.messages[1], second)
    assert.equal(open.unread, 1)
  }))

  test('is opened before there is a connection, and after its list', () => roomScene(async ({ hub, rooms, session, server }) => {
    session.cut()
    const open = rooms.open(ROOM)
    const next = await server.session()
    await next.welcome()
    await heard(hub, next)
    assert.equal(next.pending('messages'), 0, 'a page from before the list could miss what happens in between')
    await answer(next, 'rooms', list())
    await ask(next)
    await changes(open, () => open.loaded)
  }))

  test('what happens while a page is asked for is in it once', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open(ROOM)
    const asked = await session.op('messages')
    session.sayAll(created(3), event(14, 'message.edited', { message: 'M2', text: 'new', entities: [], version: 1 }),
      { type: 'reply', id: asked.id, result: page({ offset: 13, messages: [said(1), said(2), said(3)] }) }, created(4, {}, { offset: 15 }))
    await changes(open, () => open.messages.length === 4)
    assert.deepEqual(open.messages.map(({ text }) => text), ['text 1', 'new', 'text 3', 'text 4'])
  }))

  test('loads older messages behind everything that happened since', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, page({ messages: [said(3), said(4)], offset: 20, before: true }))
    const loading = open.loadBefore(2)
    const asked = await session.op('messages')
    assert.deepEqual([asked.before, asked.limit], [3, 2])
    session.sayAll(event(21, 'message.deleted', { message: 'M1', by: 'author', hard: false }), event(22, 'message.deleted', { message: 'M2', by: 'moderator', hard: true }),
      { type: 'reply', id: asked.id, result: page({ messages: [said(1), said(2)], offset: 20 }) })
    await loading
    assert.deepEqual([ids(open), open.messages[0]?.deleted, open.before], [['M1', 'M3', 'M4'], 'author', false])
    await open.loadBefore()
    assert.equal(session.pending('messages'), 0, 'there is nothing older')
  }, {}, list([entry({ offset: 20 })])))

  test('two wishes for the same page are one question, and the bound of wishes is told', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, page({ before: true }))
    const twice = [open.loadBefore(), open.loadBefore()]
    await ask(session, page({ messages: [], offset: 12 }))
    await Promise.all(twice)
    const many = Array.from({ length: 10 }, (_, n) => open.jumpTo(`X${n}`))
    await assert.rejects(many[9]!, { code: 'queue_full' })
    for (const promise of many) promise.catch(() => {})
  }))

  test('a new connection refreshes what is held in one page, and takes up the wish that was under way', () => roomScene(async ({ rooms, server, session }) => {
    const open = await opened(rooms, session, page({ before: true }))
    const older = open.loadBefore()
    await session.op('messages')
    session.cut()
    const second = await server.session()
    await second.welcome()
    await answer(second, 'rooms', list([entry({ offset: 14 })]))
    assert.deepEqual(ids(open), ['M1', 'M2'], 'it is shown as it was until then')
    assert.deepEqual(await ask(second, page({ offset: 14, before: true, messages: [said(1, { text: 'edited' }), said(2), said(4, { offset: 14 })] })), { channel: ROOM, limit: 50 })
    assert.deepEqual(await ask(second, page({ offset: 14, messages: [said(0)] })), { channel: ROOM, before: 1, limit: 50 })
    await older
    assert.deepEqual(ids(open), ['M0', 'M1', 'M2', 'M4'])
    assert.equal(open.messages[1]?.text, 'edited')
  }))

  for (const [name, torn] of [['a gap', gap(13, 13)], ['a hole', created(4, {}, { offset: 14 })]] as const) {
    test(`${name} is healed by asking again`, () => roomScene(async ({ rooms, session }) => {
      const open = await opened(rooms, session)
      session.say(torn)
      await answer(session, 'rooms', list([entry({ offset: 14 })]))
      await ask(session, page({ offset: 14, messages: [said(1), said(4, { offset: 14 })] }))
      await changes(open, () => ids(open).includes('M4'))
      assert.deepEqual(ids(open), ['M1', 'M4'])
    }))
  }

  test('a page that can not be had says why, and the next one is had again', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open(ROOM)
    session.say(refusal((await session.op('messages')).id, 'forbidden'))
    await changes(open, () => open.error !== null)
    assert.deepEqual([open.error?.code, open.loaded, open.loading], ['forbidden', false, false])
    const again = open.jumpTo('newest')
    await ask(session)
    assert.equal(await again, 'M2')
    assert.equal(open.error, null)
  }))

  test('closed, it hears nothing and fails what waits', () => roomScene(async ({ hub, rooms, session }) => {
    const open = await opened(rooms, session, page({ before: true }))
    const waiting = open.loadBefore()
    open.close()
    await assert.rejects(waiting, { code: 'closed' })
    session.say(created(3))
    await heard(hub, session)
    assert.deepEqual(ids(open), ['M1', 'M2'])
    assert.notEqual(rooms.open(ROOM), open)
  }))
})

describe('the window', () => {
  test('jumps to a message, is not at the end then, and comes back', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, page({ messages: [said(98), said(99)], before: true, offset: 120 }))
    assert.equal(await open.jumpTo('M98'), 'M98', 'it is there already')
    const jump = open.jumpTo('M5')
    assert.deepEqual(await ask(session, page({ messages: [said(4), said(5), said(6)], before: true, after: true, offset: 120 })), { channel: ROOM, around: 'M5', limit: 50 })
    assert.equal(await jump, 'M5')
    assert.equal(open.after, true)
    session.sayAll(created(100, {}, { offset: 121 }), event(122, 'message.edited', { message: 'M5', text: 'new', entities: [], version: 1 }))
    await changes(open, () => open.messages[1]?.text === 'new')
    assert.deepEqual(ids(open), ['M4', 'M5', 'M6'], 'what is written at the end is not seen from here')
    const newer = open.loadAfter(1)
    assert.deepEqual(await ask(session, page({ messages: [said(7)], before: true, after: true, offset: 122 })), { channel: ROOM, after: 6, limit: 1 })
    await newer
    const end = open.loadAfter()
    const asked = await session.op('messages')
    session.sayAll(created(101, {}, { offset: 123 }), { type: 'reply', id: asked.id, result: page({ messages: [said(8), said(100)], before: true, offset: 122 }) }, created(102, {}, { offset: 124 }))
    await end
    await changes(open, () => ids(open).at(-1) === 'M102')
    assert.deepEqual(ids(open).slice(-4), ['M8', 'M100', 'M101', 'M102'])
    assert.equal(open.after, false)
  }, {}, list([entry({ offset: 120 })])))

  test('away from the end it is refreshed from its beginning', () => roomScene(async ({ rooms, server, session }) => {
    const open = await opened(rooms, session, page({ messages: [said(4), said(5)], before: true, after: true, offset: 120 }))
    session.cut()
    const second = await server.session()
    await second.welcome()
    await answer(second, 'rooms', list([entry({ offset: 120 })]))
    assert.deepEqual(await ask(second, page({ messages: [said(4, { text: 'x' })], before: true, after: true, offset: 120 })), { channel: ROOM, after: 3, limit: 50 })
    await changes(open, () => open.messages[0]?.text === 'x')
  }, {}, list([entry({ offset: 120 })])))

  test('the first unread message, in the window or not', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, page({ messages: [said(8), said(9)], before: true }))
    assert.equal(await open.jumpTo('unread'), 'M8')
    session.say(event(13, 'read.moved', { user: 'u1', ordinal: 2, mentions_read: 0, mentions_all_read: 0 }, { from: 'u1' }))
    await changes(open, () => open.readTo === 2)
    const jump = open.jumpTo('unread')
    assert.equal((await ask(session, page({ messages: [said(2), said(3)], before: true, after: true, offset: 13 }))).around, 'unread')
    assert.equal(await jump, 'M3')
    session.say(event(14, 'read.moved', { user: 'u1', ordinal: 9, mentions_read: 0, mentions_all_read: 0 }, { from: 'u1' }))
    await changes(open, () => open.unread === 0)
    const none = open.jumpTo('unread')
    await ask(session, page({ messages: [said(8), said(9)], before: true, offset: 14 }))
    assert.equal(await none, undefined)
    assert.equal(open.after, false, 'with nothing unread the end is the place to be')
  }, {}, list([entry({ room: room({ messages: 9 }), me: me({ read: 7 }) })])))
})

describe('reading and typing', () => {
  test('marks go at most once a second, the latest wins', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ hub, rooms, session }) => {
      const open = await opened(rooms, session, page({ messages: [said(1), said(9)] }))
      open.read(7)
      await heard(hub, session)
      assert.equal(session.pending('read'), 0, 'it is known already')
      open.read(8)
      for (const ordinal of [3, 4, 5]) open.read(ordinal)
      const { key, ...fields } = await answer(session, 'read', { unchanged: true })
      assert.deepEqual([fields, typeof key], [{ channel: ROOM, ordinal: 8 }, 'string'])
      await heard(hub, session)
      timers.advance(999)
      await heard(hub, session)
      assert.equal(session.pending('read'), 0)
      timers.advance(1)
      assert.equal((await answer(session, 'read', { unchanged: true })).ordinal, 5)
      await heard(hub, session)
      timers.advance(1_000)
      open.read()
      assert.equal((await answer(session, 'read', { unchanged: true })).ordinal, 9)
    }, { timers }, list([entry({ room: room({ messages: 9 }), me: me({ read: 7 }) })]))
  })

  test('a mark waits for the connection, once', () => roomScene(async ({ rooms, server, session }) => {
    const open = await opened(rooms, session)
    session.cut()
    open.read(1)
    open.read(0)
    const second = await server.session()
    await second.welcome()
    assert.equal((await answer(second, 'read', { unchanged: true })).ordinal, 1)
  }))

  test('typing is told at most every four seconds, after a message at once, and never late', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ hub, rooms, server, session }) => {
      const open = await opened(rooms, session)
      for (let n = 0; n < 3; n++) open.typing()
      assert.deepEqual(await answer(session, 'typing', {}), { channel: ROOM })
      timers.advance(3_999)
      open.typing()
      await heard(hub, session)
      assert.equal(session.pending('typing'), 0)
      open.send('hi')
      open.typing()
      await answer(session, 'typing', {})
      session.cut()
      await once(hub as never, 'state')
      timers.advance(4_000)
      open.typing()
      const second = await server.session()
      await second.welcome()
      await answer(second, 'rooms', list())
      await heard(hub, second)
      assert.equal(second.pending('typing'), 0)
    }, { timers })
  })

  test('who is writing is seen until it is over, or the message comes', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ rooms, session }) => {
      const open = await opened(rooms, session)
      const typing = (user: string, thread?: string): object =>
        event(0, 'typing', { user, for_ms: 6_000, ...(thread && { thread }) }, { epoch: undefined, offset: undefined })
      session.sayAll(typing('u1'), typing('u4', 'M1'), typing('u3'), typing('u2'))
      await changes(open, () => open.writers.length === 2)
      assert.deepEqual(open.writers, ['u2', 'u3'], 'neither oneself nor whoever writes in a thread')
      session.say(created(3))
      await changes(open, () => open.writers.length === 1)
      timers.advance(5_999)
      assert.deepEqual(open.writers, ['u3'])
      timers.advance(1)
      assert.deepEqual(open.writers, [])
    }, { timers })
  })
})

describe('around the messages', () => {
  test('members are had page by page and kept right', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const member = (user: string, fields: object = {}): object => ({ user, role: 'member', state: 'joined', since: 1, muted_until: null, ...fields })
    const loading = open.loadMembers(2)
    const asked = await session.op('members')
    session.sayAll(event(13, 'member.changed', { user: 'u2', role: 'owner' }), { type: 'reply', id: asked.id, result: { members: [member('u1'), member('u2', { read: 1 })], epoch: 'e1', offset: 12, next: 'u2' } })
    assert.equal(await loading, true)
    assert.equal(open.members[1]?.role, 'owner')
    const more = open.loadMembers()
    assert.equal((await answer(session, 'members', { members: [member('u4', { read: 1 })], epoch: 'e1', offset: 13 })).after, 'u2')
    assert.equal(await more, false)
    session.sayAll(event(14, 'member.left', { user: 'u2', members: 2, reason: 'left' }), event(15, 'member.joined', { user: 'u3', role: 'guest', since: 9, members: 3, read: 2, mentions_all_read: 0 }),
      event(16, 'read.moved', { user: 'u4', ordinal: 2, mentions_read: 0, mentions_all_read: 0 }))
    await changes(open, () => open.members[2]?.read === 2)
    assert.deepEqual(open.members.map(({ user, role }) => [user, role]), [['u1', 'member'], ['u3', 'guest'], ['u4', 'member']])
  }))

  test('presence is a subscription beside the list, with a list of who is there', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open(ROOM, { presence: true })
    const subscribe = await session.next('subscribe')
    assert.deepEqual(subscribe, { type: 'subscribe', id: subscribe.id, channel: ROOM, presence: true })
    session.say({ type: 'subscribed', id: subscribe.id, channel: ROOM, outcome: 'fresh', epoch: 'e1', offset: 12 })
    const asked = await session.next('presence')
    session.sayAll({ type: 'presence', channel: ROOM, version: 4, event: 'join', user: 'u3' },
      { type: 'reply', id: asked.id, presence: { version: 3, count: 1, users: [{ user: 'u1', connections: 1 }] } })
    await changes(open, () => open.presence?.count === 2)
    assert.deepEqual(open.presence, { count: 2, users: ['u1', 'u3'], large: false })
    await ask(session)
    await changes(open, () => open.loaded)
    // Once by the list and once by the subscription: on the wire it is one stream, and it is heard once here.
    session.say(created(3))
    await changes(open, () => open.messages.length === 3)
    assert.equal(session.pending('messages'), 0, 'one page was enough')
    open.close()
    assert.equal((await session.next('unsubscribe')).channel, ROOM)
  }))

  test('a public room that one is not in is read by a subscription; joined, it is in the list', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open('room:b')
    const stranger = { room: room({ channel: 'room:b' }), me: null }
    const subscribe = await session.next('subscribe')
    assert.equal(session.pending('messages'), 0)
    session.say({ type: 'subscribed', id: subscribe.id, channel: 'room:b', outcome: 'fresh', epoch: 'e1', offset: 12 })
    await ask(session, page(stranger))
    await changes(open, () => open.loaded)
    assert.deepEqual([open.me, open.room?.name, open.unread], [null, 'A', 0])
    session.say(event(13, 'room.updated', { set: { name: 'B' } }, { channel: 'room:b' }))
    await changes(open, () => open.room?.name === 'B')
    const joining = open.join()
    await answer(session, 'join', { message: 'E', epoch: 'e1', offset: 14, time: 1 })
    await joining
    session.sayAll(event(14, 'member.joined', { user: 'u1', role: 'member', since: 9, members: 3, read: 2, mentions_all_read: 0 }, { channel: 'room:b' }), own(6, 'room.joined', { channel: 'room:b' }))
    await answer(session, 'rooms', list([entry({ room: room({ channel: 'room:b' }), offset: 14 })]))
    await ask(session, page({ ...stranger, offset: 14 }))
    await changes(open, () => open.me?.state === 'joined')
    assert.ok(rooms.get('room:b'))
  }))

  test('a room that one may not see says so', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open('room:secret')
    session.say(refusal((await session.next('subscribe')).id, 'not_found'))
    await changes(open, () => open.error !== null)
    assert.equal(open.error?.code, 'not_found')
  }))

  test('who was taken out knows it, also when the room tells nothing any more', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    session.say(own(6, 'room.left', { channel: ROOM }))
    await changes(open, () => open.me?.state === 'left')
    assert.equal(rooms.get(ROOM), undefined)
    session.say(refusal((await session.next('subscribe')).id, 'not_found'))
    await changes(open, () => open.error?.code === 'not_found')
  }))

  test('who was banned and heard of it is banned, not gone', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    session.sayAll(event(13, 'member.banned', { user: 'u1', members: 1 }), own(6, 'room.left', { channel: ROOM }))
    await changes(open, () => open.me?.state === 'banned')
    session.say(refusal((await session.next('subscribe')).id, 'not_found'))
    await changes(open, () => open.error !== null)
    assert.equal(open.me?.state, 'banned')
  }))

  test('whose subscription the hub ends is not in the room, whatever a page said', () => roomScene(async ({ rooms, session }) => {
    const open = rooms.open(ROOM, { presence: true })
    const { id } = await session.next('subscribe')
    session.say({ type: 'subscribed', id, channel: ROOM, outcome: 'fresh', epoch: 'e1', offset: 12 })
    await ask(session)
    await changes(open, () => open.loaded)
    session.say({ type: 'unsubscribed', channel: ROOM, code: 'forbidden' })
    await answer(session, 'rooms', list([]))
    await changes(open, () => open.me?.state === 'left' && open.error?.code === 'forbidden')
  }))

  for (const [name, before] of [['invited to', [entry({ me: me({ state: 'invited' }) })]], ['shut out of', []]] as const) {
    test(`a room that one was ${name} is had once one is in it`, () => roomScene(async ({ rooms, session }) => {
      const open = rooms.open(ROOM)
      session.say(refusal((before.length > 0 ? await session.op('messages') : await session.next('subscribe')).id, 'not_found'))
      await changes(open, () => open.error !== null)
      session.say(own(6, 'room.joined', { channel: ROOM }))
      await answer(session, 'rooms', list([entry()]))
      await ask(session)
      await changes(open, () => open.loaded)
      assert.equal(open.error, null)
    }, {}, list(before as unknown as object[])))
  }

  test('a thread has messages of its own, its root and the own place in it', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, page({ messages: [said(1, { replies: 1, replied: 9 }), said(2)] }))
    const thread = open.thread('M1')
    assert.equal(open.thread('M1'), thread)
    assert.deepEqual([thread.root?.id, thread.following, thread.readTo], ['M1', undefined, undefined])
    const first = said(7, { offset: 12, ordinal: 1, thread: 'M1' })
    assert.equal((await ask(session, page({ messages: [first], root: said(1, { replies: 1, replied: 9 }), thread: { root: 'M1', following: false, read: 0, mentions: 0, mentions_read: 0 } }))).thread, 'M1')
    await changes(thread, () => thread.loaded)
    assert.deepEqual([thread.unread, thread.following], [1, false])
    session.say(created(8, { ordinal: 2, thread: 'M1', mentions: { users: ['u1'], all: false }, follows: ['u1'] }, { offset: 13 }))
    await changes(thread, () => thread.messages.length === 2)
    assert.deepEqual([thread.unread, thread.mentions, thread.following, thread.root?.replies], [2, 1, true, 2])
    assert.deepEqual([ids(open), open.messages[0]?.replies, open.unread], [['M1', 'M2'], 2, 0], 'the room counts it at the root alone')
    session.sayAll(own(6, 'read.moved', { user: 'u1', ordinal: 2, mentions_read: 1, mentions_all_read: 0, channel: ROOM, thread: 'M1' }),
      own(7, 'thread.followed', { channel: ROOM, thread: 'M1', following: false }))
    await changes(thread, () => thread.following === false)
    assert.deepEqual([thread.unread, thread.mentions], [0, 0])
    thread.send('under it')
    assert.equal((await session.op('send')).thread, 'M1')
    assert.deepEqual([thread.messages.length, open.messages.length], [3, 2])
    thread.close()
    assert.notEqual(open.thread('M1'), thread)
  }))

  test('operations go with the names of the wire, and a key when they change something', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const rows: [() => Promise<unknown>, string, object][] = [
      [() => open.edit('M1', 'x'), 'edit', { message: 'M1', text: 'x' }],
      [() => open.delete('M1', { hard: true }), 'delete', { message: 'M1', hard: true }],
      [() => open.pin('M1'), 'pin', { message: 'M1', pinned: true }],
      [() => open.react('M1', '👍', 0), 'react', { message: 'M1', emoji: '👍', count: 0 }],
      [() => open.configure({ slowModeS: 5, mentionAll: 'owner' }), 'configure', { slow_mode_s: 5, mention_all: 'owner' }],
      [() => open.mute('u2', { until: null }), 'mute', { user: 'u2', until: null }],
      [() => open.ban('u2', { reason: 'r' }), 'ban', { user: 'u2', reason: 'r' }],
      [() => open.setFilters({ words: ['w'] }), 'filters', { words: ['w'] }],
      [() => open.resolve('r1', 'dismissed'), 'resolve', { report: 'r1', action: 'dismissed' }],
      [() => open.bulkDelete({ user: 'u2', since: 1 }), 'bulk_delete', { user: 'u2', since: 1 }],
      [() => open.schedule('later', 99, { replyTo: 'M1' }), 'send', { text: 'later', at: 99, reply_to: 'M1' }],
    ]
    for (const [call, op, fields] of rows) {
      const done = call()
      const { key, ...asked } = await answer(session, op, { unchanged: true })
      assert.deepEqual(asked, { channel: ROOM, ...fields })
      assert.match(String(key), /^[0-9a-z]{24}$/, op)
      await done
    }
    const questions: [() => Promise<unknown>, string, object][] = [
      [() => open.filters(), 'filters', { words: [], links: 'all' }],
      [() => open.versions('M1'), 'versions', { versions: [] }],
      [() => rooms.search('hi', { from: 'u2' }), 'search', { hits: [] }],
      [() => rooms.discover(), 'discover', { rooms: [] }],
    ]
    for (const [call, op, result] of questions) {
      const done = call()
      assert.equal((await answer(session, op, result)).key, undefined, op)
      await done
    }
  }))
})
