// Goal: what one writes is seen at once, is sent once and in order, and fails where it can be seen and tried again.
// Method: a scripted hub that loses, refuses, answers before and after the event, and swallows.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Room, Rooms } from '../src/index.js'
import { answer, changes, created, entry, gap, heard, ids, list, me, page, refusal, room, ROOM, roomScene, said } from './rooms-support.js'
import type { Session } from './server.js'
import { ManualTimers, scene } from './support.js'

const change = (n: number): object => ({ message: `M${n}`, epoch: 'e1', offset: 10 + n, time: 1_000 + n })
const states = (open: Room): (string | undefined)[] => open.messages.map(({ outgoing }) => outgoing?.state)

async function opened(rooms: Rooms, session: Session, fields: object = {}): Promise<Room> {
  const open = rooms.open(ROOM)
  await answer(session, 'messages', page(fields))
  await changes(open, () => open.loaded)
  return open
}

describe('a message of one\'s own', () => {
  test('is seen at once, then taken, and becomes the one of its event', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const { key, done } = open.send('hi', { replyTo: 'M1', entities: [{ kind: 'bold', from: 0, to: 2 }] })
    const shown = open.messages[2]
    assert.deepEqual([shown?.id, shown?.text, shown?.from, shown?.reply_to, shown?.outgoing?.state], [key, 'hi', 'u1', 'M1', 'pending'])
    assert.equal(open.messages[2], shown, 'the same object as long as nothing happens to it')
    const { key: sent, ...fields } = await answer(session, 'send', change(3))
    assert.deepEqual([sent, fields], [key, { channel: ROOM, text: 'hi', reply_to: 'M1', entities: [{ kind: 'bold', from: 0, to: 2 }] }])
    assert.deepEqual(await done, change(3))
    assert.deepEqual(states(open), [undefined, undefined, 'sent'])
    session.say(created(3, { text: 'hi' }, { from: 'u1', key }))
    await changes(open, () => open.messages[2]?.outgoing === undefined)
    assert.deepEqual(ids(open), ['M1', 'M2', 'M3'])
  }))

  test('that was written before it was known who one is is one\'s own then', () => scene(async ({ hub, server }) => {
    const open = hub.rooms.open(ROOM)
    open.send('early')
    assert.deepEqual(open.messages.map(({ text, from }) => [text, from]), [['early', '']])
    const session = await server.session()
    await session.welcome()
    await answer(session, 'rooms', list())
    await answer(session, 'messages', page())
    await changes(open, () => open.loaded)
    assert.deepEqual(open.messages.map(({ text, from }) => [text, from]), [['text 1', 'u2'], ['text 2', 'u2'], ['early', 'u1']])
  }))

  test('whose event comes before the answer is not seen twice', () => roomScene(async ({ hub, rooms, session }) => {
    const open = await opened(rooms, session)
    const { key, done } = open.send('hi')
    const asked = await session.op('send')
    session.sayAll(created(3, { text: 'hi' }, { from: 'u1', key }), { type: 'reply', id: asked.id, result: change(3) })
    await done
    await heard(hub, session)
    assert.deepEqual(ids(open), ['M1', 'M2', 'M3'])
  }))

  test('a key of somebody else is not one\'s own', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    open.send('hi', { key: 'k' })
    session.say(created(3, {}, { key: 'k' }))
    await changes(open, () => ids(open).includes('M3'))
    assert.deepEqual(ids(open), ['M1', 'M2', 'M3', 'k'])
  }))

  test('written without a connection, it is sent once and in order when there is one', () => roomScene(async ({ rooms, server, session }) => {
    const open = await opened(rooms, session)
    open.send('one', { key: 'k1' })
    await session.op('send')
    session.cut()
    for (const n of [2, 3]) open.send(`${n}`, { key: `k${n}` })
    assert.deepEqual(ids(open).slice(2), ['k1', 'k2', 'k3'])
    const second = await server.session()
    await second.welcome()
    const keys = [await second.op('send'), await second.op('send'), await second.op('send')].map(({ key }) => key)
    assert.deepEqual(keys, ['k1', 'k2', 'k3'])
    // The first one had arrived before the connection broke: the page knows it, its answer is still to come.
    await answer(second, 'rooms', list([entry({ offset: 13 })]))
    await answer(second, 'messages', page({ offset: 13, messages: [said(1), said(2), said(3, { from: 'u1', key: 'k1' })] }))
    await changes(open, () => ids(open).includes('M3'))
    assert.deepEqual(ids(open), ['M1', 'M2', 'M3', 'k2', 'k3'])
    assert.equal(second.pending('send'), 0)
  }))

  test('whose event is behind a snapshot that does not reach back to it is not shown for ever', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const { done } = open.send('hi', { key: 'k' })
    const asked = await session.op('send')
    session.say(gap(13, 90))
    await answer(session, 'messages', page({ offset: 90, messages: [said(70)], before: true }))
    await changes(open, () => ids(open).includes('M70'))
    assert.deepEqual(ids(open), ['M70', 'k'], 'until its answer it may be anywhere')
    session.say({ type: 'reply', id: asked.id, result: change(3) })
    await done
    assert.deepEqual(ids(open), ['M70'])
  }))

  test('that the hub took and shows to nobody stays where it is', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const { done } = open.send('into the void', { key: 'k' })
    await answer(session, 'send', { message: 'M9', time: 5 })
    await done
    session.say(created(3))
    await changes(open, () => ids(open).includes('M3'))
    assert.deepEqual([ids(open), states(open)[3]], [['M1', 'M2', 'M3', 'k'], 'sent'])
  }))

  for (const code of ['forbidden', 'bad_request', 'too_large', 'not_found']) {
    test(`refused with ${code}, it has failed, and can be tried again with the same key or discarded`, () => roomScene(async ({ rooms, session }) => {
      const open = await opened(rooms, session)
      const { key, done } = open.send('hi')
      session.say(refusal((await session.op('send')).id, code))
      await assert.rejects(done, { code, key })
      const failed = open.messages[2]?.outgoing
      assert.deepEqual([failed?.state, failed?.error?.code], ['failed', code])
      failed?.retry()
      assert.deepEqual(states(open).at(-1), 'pending')
      open.messages[2]?.outgoing?.discard()
      assert.equal(open.messages.length, 3, 'what is on its way can not be taken back')
      const again = await session.op('send')
      assert.equal(again.key, key)
      session.say(refusal(again.id, code))
      await changes(open, () => states(open).at(-1) === 'failed')
      open.messages[2]?.outgoing?.discard()
      assert.deepEqual(ids(open), ['M1', 'M2'])
    }))
  }

  test('in slow mode it has failed and says when it can be tried; the rest of the hub goes on', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    const { done } = open.send('too soon')
    session.say(refusal((await session.op('send')).id, 'rate_limited', 1_500))
    await assert.rejects(done, { code: 'rate_limited', retryAfterMs: 1_500 })
    assert.equal(open.messages[2]?.outgoing?.error?.retryAfterMs, 1_500)
    const other = open.react('M1', '👍')
    await answer(session, 'react', { unchanged: true })
    await other
  }, {}, list([entry({ room: room({ slow_mode_s: 5 }) })])))

  test('a short refusal for the rate is waited for where no slow mode is, and a long one is not', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ hub, rooms, session }) => {
      const open = await opened(rooms, session)
      const { done } = open.send('fast')
      session.say(refusal((await session.op('send')).id, 'rate_limited', 100))
      await heard(hub, session)
      assert.equal(states(open).at(-1), 'pending')
      timers.advance(150)
      await answer(session, 'send', change(3))
      await done
      const late = open.send('later')
      session.say(refusal((await session.op('send')).id, 'rate_limited', 60_000))
      await assert.rejects(late.done, { code: 'rate_limited' })
    }, { timers }, list([entry({ room: room({ slow_mode_s: 5 }), me: me({ role: 'moderator' }) })]))
  })

  test('given up after ten minutes, and there all the same when its event comes', async () => {
    const timers = new ManualTimers()
    await roomScene(async ({ rooms, server, session }) => {
      const open = await opened(rooms, session)
      const { key, done } = open.send('hi')
      await session.op('send')
      const failed = assert.rejects(done, { code: 'timeout', uncertain: true })
      timers.advance(600_000)
      await failed
      assert.equal(states(open).at(-1), 'failed')
      // So long a silence has cost the connection too.
      const second = await server.session()
      await second.welcome()
      await answer(second, 'rooms', list())
      await answer(second, 'messages', page())
      second.say(created(3, {}, { from: 'u1', key }))
      await changes(open, () => ids(open).includes('M3'))
      assert.equal(open.messages.length, 3)
    }, { timers })
  })

  test('away from the end, sending leads back to it', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session, { after: true })
    open.send('hi', { key: 'k' })
    assert.deepEqual(ids(open), ['M1', 'M2'], 'it stands at the end, which is elsewhere')
    await answer(session, 'messages', page({ messages: [said(8), said(9)], before: true, offset: 19 }))
    await changes(open, () => !open.after)
    assert.deepEqual(ids(open), ['M8', 'M9', 'k'])
  }))

  test('no more than 200 wait, and no key twice', () => roomScene(async ({ rooms, session }) => {
    const open = await opened(rooms, session)
    session.cut()
    for (let n = 0; n < 200; n++) open.send('x', { key: `k${n}` })
    assert.throws(() => open.send('x'), { code: 'queue_full' })
    assert.equal(open.messages.length, 202)
    assert.throws(() => rooms.open('room:b').send('x', { key: 'k' }) && rooms.open('room:b').send('y', { key: 'k' }), { code: 'bad_request' })
  }))

  test('with the Hub closed it fails with that', () => roomScene(async ({ hub, rooms, session }) => {
    const open = await opened(rooms, session)
    const waiting = open.send('hi')
    hub.close()
    await assert.rejects(waiting.done, { code: 'closed' })
    await assert.rejects(open.send('ho').done, { code: 'closed' })
    await assert.rejects(open.loadBefore(), { code: 'closed' })
    assert.deepEqual(states(open).slice(2), ['failed', 'failed'])
  }))
})
