// Goal: the list of rooms and the inbox are right after everything that can happen on one connection and over several.
// Method: a scripted hub that answers late, tears, breaks off and follows on.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answer, changes, created, entry, event, gap, heard, list, me, own, refusal, room, ROOM, roomScene } from './rooms-support.js'
import { ManualTimers, once, scene, turn } from './support.js'

const other = (fields: object = {}): object => entry({ room: room({ channel: 'room:b', last: undefined as never, created: 500 }), ...fields })

describe('the list', () => {
  test('is followed from the first look on, page by page, the newest first', () => scene(async ({ hub, server }) => {
    assert.deepEqual(hub.rooms.list, [])
    const session = await server.session()
    await session.welcome()
    assert.deepEqual(await answer(session, 'rooms', list([other()], { next: 'room:b' })), { follow: true })
    assert.deepEqual(await answer(session, 'rooms', list([entry({ me: me({ read: 1 }) })])), { follow: true, after: 'room:b' })
    await changes(hub.rooms, () => hub.rooms.loaded)
    assert.deepEqual(hub.rooms.list.map(({ channel, unread }) => [channel, unread]), [[ROOM, 1], ['room:b', 0]])
    assert.equal(hub.rooms.get(ROOM)?.last?.text, 'text 2')
    assert.equal(hub.rooms.list, hub.rooms.list, 'the same array as long as nothing changes')
  }))

  test('what comes before the answer is applied behind it, and only what is newer', () => scene(async ({ hub, server }) => {
    void hub.rooms
    const session = await server.session()
    await session.welcome()
    const asked = await session.op('rooms')
    session.sayAll(
      event(12, 'room.updated', { set: { topic: 'known' } }), event(13, 'room.updated', { set: { name: 'new' } }),
      own(6, 'member.notify', { channel: ROOM, level: 'none' }), { type: 'reply', id: asked.id, result: list() }, created(4, {}, { offset: 14 }))
    await changes(hub.rooms, () => hub.rooms.get(ROOM)?.unread === 2)
    const { room: now, me: mine } = hub.rooms.get(ROOM)!
    assert.deepEqual([now.topic, now.name, mine.notify, now.messages], ['', 'new', 'none', 4])
  }))

  test('mentions are counted until they are read, here or elsewhere', () => roomScene(async ({ rooms, session }) => {
    session.say(created(3, { mentions: { users: ['u1'], all: false } }))
    session.say(created(4, { mentions: { users: [], all: true }, mentions_all: 1 }))
    await changes(rooms, () => rooms.get(ROOM)?.mentions === 2)
    assert.equal(rooms.get(ROOM)?.unread, 2)
    session.say(event(15, 'read.moved', { user: 'u1', ordinal: 3, mentions_read: 1, mentions_all_read: 0 }, { from: 'u1' }))
    await changes(rooms, () => rooms.get(ROOM)?.unread === 1)
    assert.equal(rooms.get(ROOM)?.mentions, 1)
    session.say(created(5, { mentions_all: 1 }, { from: 'u1', offset: 16 }))
    await changes(rooms, () => rooms.get(ROOM)?.unread === 0)
    assert.equal(rooms.get(ROOM)?.mentions, 0, 'writing reads everything')
  }))

  test('a listed room is another object when it changes, and the others stay the same', () => roomScene(async ({ rooms, session }) => {
    const [before, still] = [rooms.get(ROOM), rooms.get('room:b')]
    session.say(event(13, 'room.updated', { set: { topic: 't' } }))
    await once(rooms as never, 'change')
    assert.notEqual(rooms.get(ROOM), before)
    assert.equal(rooms.get('room:b'), still)
  }, {}, list([entry(), other()])))

  test('after a lost connection it is asked for again, and is the old one until then', () => roomScene(async ({ rooms, server, session }) => {
    session.cut()
    const second = await server.session()
    await second.welcome()
    assert.equal(rooms.list.length, 1)
    const asked = await second.op('rooms')
    assert.equal(asked.follow, true)
    // Continues where the old connection broke off; the snapshot is older than that.
    second.sayAll(created(4, {}, { offset: 14 }), created(5, {}, { offset: 15 }),
      { type: 'reply', id: asked.id, result: list([entry({ room: room({ messages: 4 }), offset: 14 }), other()]) })
    await changes(rooms, () => rooms.list.length === 2)
    assert.equal(rooms.get(ROOM)?.room.messages, 5)
  }))

  for (const [name, torn] of [['a gap', gap(13, 13)], ['a hole that nobody announced', event(14, 'room.updated', { set: { topic: 'lost' } })]] as const) {
    test(`${name} leads to a new snapshot of that room alone`, () => roomScene(async ({ rooms, session, errors }) => {
      session.say(torn)
      const asked = await session.op('rooms')
      assert.deepEqual(asked.channels, [ROOM])
      session.sayAll(event(15, 'room.updated', { set: { name: 'then' } }),
        { type: 'reply', id: asked.id, result: list([entry({ room: room({ topic: 'right' }), offset: 14 })]) })
      await changes(rooms, () => rooms.get(ROOM)?.room.name === 'then')
      assert.equal(rooms.get(ROOM)?.room.topic, 'right')
      assert.deepEqual(errors, [])
    }))
  }

  test('a snapshot that is older than what came is asked for again a second later, not at once', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ hub, rooms, session }) => {
      session.say(event(15, 'room.updated', { set: {} }))
      await answer(session, 'rooms', list([entry({ offset: 13 })]))
      await heard(hub, session)
      assert.equal(session.pending('rooms'), 0)
      timers.advance(1_000)
      await answer(session, 'rooms', list([entry({ room: room({ topic: 'right' }), offset: 15 })]))
      await changes(rooms, () => rooms.get(ROOM)?.room.topic === 'right')
    }, { timers })
  })

  test('room.joined, an invitation and room.left', () => roomScene(async ({ rooms, session }) => {
    session.say(own(6, 'room.joined', { channel: 'room:b' }))
    const asked = await session.op('rooms')
    assert.deepEqual([asked.channels, asked.follow], [['room:b'], true])
    // Gone again before the answer: the answer says nothing about that, so it is asked once more.
    session.sayAll(own(7, 'room.left', { channel: 'room:b' }), { type: 'reply', id: asked.id, result: list([other()]) })
    await answer(session, 'rooms', list([]))
    await changes(rooms, () => rooms.get('room:b') === undefined)
    session.say(own(8, 'inbox.added', { notice: { id: 'N', offset: 8, time: 1, what: 'invitation', channel: 'room:c', read: false }, person: { unread: 1, dnd_until: null } }))
    await answer(session, 'rooms', list([entry({ room: room({ channel: 'room:c' }), me: me({ state: 'invited' }) })]))
    await changes(rooms, () => rooms.list.length === 2)
    assert.equal(rooms.get('room:c')?.me.state, 'invited')
    assert.equal(rooms.inbox.unread, 1)
    session.say(own(9, 'room.left', { channel: ROOM }))
    await changes(rooms, () => rooms.list.length === 1)
  }))

  test('a gap in the own channel leads to a whole new list', () => roomScene(async ({ rooms, session }) => {
    session.say(gap(6, 6, 'user:u1'))
    assert.deepEqual(await answer(session, 'rooms', list([other()], { user: { epoch: 'e1', offset: 6 } })), { follow: true })
    await changes(rooms, () => rooms.get('room:b') !== undefined)
    assert.equal(rooms.get(ROOM), undefined)
  }))

  test('what the hub does not follow any more is asked for again', () => roomScene(async ({ rooms, session }) => {
    session.say({ type: 'unsubscribed', channel: ROOM, code: 'forbidden' })
    assert.deepEqual((await answer(session, 'rooms', list([]))).channels, [ROOM])
    await changes(rooms, () => rooms.list.length === 0)
  }))

  test('a hub without rooms says so once, and what waits for the list fails with that', () => scene(async ({ hub, server }) => {
    const { rooms } = hub
    const failed = once(rooms as never, 'error') as Promise<{ code: string }[]>
    const lobby = rooms.open(ROOM)
    const session = await server.session()
    await session.welcome()
    session.say(refusal((await session.op('rooms')).id, 'not_supported'))
    assert.equal((await failed)[0]?.code, 'not_supported')
    assert.equal(lobby.error?.code, 'not_supported')
    assert.equal(rooms.open('room:b').error?.code, 'not_supported')
  }))

  test('an answer of another shape is a fault, not a crash', () => scene(async ({ hub, server }) => {
    const failed = once(hub.rooms as never, 'error') as Promise<{ code: string }[]>
    const session = await server.session()
    await session.welcome()
    await answer(session, 'rooms', { rooms: [{ room: 1 }] })
    assert.equal((await failed)[0]?.code, 'protocol')
  }))

  test('another user on the next connection sees nothing of the one before', () => roomScene(async ({ hub, rooms, server, session }) => {
    session.cut()
    const second = await server.session()
    await second.welcome({ user: 'u9' })
    await second.op('rooms')
    await heard(hub, second)
    assert.deepEqual(rooms.list, [])
  }))
})

describe('the inbox', () => {
  const notice = (n: number, fields: object = {}): object => ({ id: `N${n}`, offset: n, time: n, what: 'mention', read: false, ...fields })
  const inbox = (notices: object[], offset = 5): object => ({ notices, person: { unread: 0, dnd_until: null }, epoch: 'e1', offset })

  test('tells what is unread without being asked, and is kept right once it was loaded', () => roomScene(async ({ rooms, session }) => {
    const { inbox: box } = rooms
    const came = once(box as never, 'notice') as Promise<{ id: string }[]>
    session.say(own(6, 'inbox.added', { notice: notice(6), person: { unread: 1, dnd_until: null } }))
    assert.equal((await came)[0]?.id, 'N6')
    assert.deepEqual([box.unread, box.notices.length], [1, 0])
    const loading = box.load()
    const asked = await session.op('inbox')
    assert.equal(asked.limit, 20)
    session.sayAll(own(7, 'inbox.added', { notice: notice(7), person: { unread: 2, dnd_until: null } }),
      { type: 'reply', id: asked.id, result: inbox([notice(6)], 6) }, own(8, 'inbox.read', { notice: 'N6', person: { unread: 1, dnd_until: null } }))
    await loading
    await changes(box, () => box.unread === 1 && box.notices.length === 2)
    assert.deepEqual(box.notices.map(({ id, read }) => [id, read]), [['N7', false], ['N6', true]])
  }))

  test('loads older ones, reads and is not disturbed', () => roomScene(async ({ rooms, session }) => {
    const { inbox: box } = rooms
    void box.load()
    await answer(session, 'inbox', inbox(Array.from({ length: 20 }, (_, n) => notice(40 - n)), 5))
    await changes(box, () => box.loaded)
    const older = box.loadBefore()
    assert.deepEqual(await answer(session, 'inbox', inbox([notice(2)], 5)), { limit: 20, before: 21 })
    await older
    assert.deepEqual([box.notices.length, box.before], [21, false])
    const change = { message: 'E', epoch: 'e1', offset: 6, time: 1 }
    const reading = box.read()
    const asked = await answer(session, 'inbox_read', change)
    assert.deepEqual([asked.offset, typeof asked.key], [5, 'string'])
    assert.deepEqual(await reading, change)
    const quiet = box.dnd(null)
    assert.equal((await answer(session, 'dnd', { unchanged: true })).until, null)
    assert.deepEqual(await quiet, { unchanged: true })
    session.say(own(6, 'person.changed', { person: { unread: 0, dnd_until: 99 } }))
    await changes(box, () => box.dndUntil === 99)
  }))

  test('a notice that is of no use any more is not shown', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ rooms, session }) => {
      const { inbox: box } = rooms
      void box.load()
      await answer(session, 'inbox', inbox([notice(2, { expires: 1_000 }), notice(1)]))
      await changes(box, () => box.loaded)
      timers.advance(999)
      assert.deepEqual(box.notices.map(({ id }) => id), ['N2', 'N1'])
      timers.advance(1)
      assert.deepEqual(box.notices.map(({ id }) => id), ['N1'])
    }, { timers })
  })

  test('is loaded again after a lost connection', () => roomScene(async ({ rooms, server, session }) => {
    const { inbox: box } = rooms
    void box.load()
    await answer(session, 'inbox', inbox([notice(1)]))
    await changes(box, () => box.loaded)
    session.cut()
    const second = await server.session()
    await second.welcome()
    await answer(second, 'rooms', list())
    await answer(second, 'inbox', inbox([notice(2), notice(1)]))
    await changes(box, () => box.notices.length === 2)
    await turn()
  }))
})
