// Goal: a publish is taken once or fails loudly. Method: a scripted hub that loses, refuses and delays.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HubError } from '../src/index.js'
import { ManualTimers, once, scene, turn } from './support.js'

const ack = (id: unknown, offset = 1): object => ({ type: 'ack', id, message: '01JD000000000000000000000M', epoch: 'e1', offset, time: 5 })
const refusal = (id: unknown, code: string, retry: number | null): object => ({ type: 'error', id, code, message: 'no', retry_after_ms: retry })

describe('publish', () => {
  test('carries data and keys, and answers the position', () => scene(async ({ hub, server }) => {
    const publish = hub.publish('chat:a', { text: 'hi' }, { key: 'k1', conflateKey: 'c' })
    const session = await server.session()
    await session.welcome()
    const frame = await session.next('publish')
    assert.deepEqual(frame, { type: 'publish', id: frame.id, channel: 'chat:a', key: 'k1', conflate_key: 'c', data: { text: 'hi' } })
    session.say(ack(frame.id, 44))
    assert.deepEqual(await publish, { message: '01JD000000000000000000000M', epoch: 'e1', offset: 44, time: 5 })
  }))

  test('lost on the way, it comes again with the same key and in the old order', () => scene(async ({ hub, server, errors }) => {
    const all = [1, 2, 3].map((n) => hub.publish('chat:a', n))
    const first = await server.session()
    await first.welcome()
    const seen = [await first.next('publish'), await first.next('publish'), await first.next('publish')]
    first.say(ack(seen[0]?.id, 1))
    await all[0]
    first.cut()
    const second = await server.session()
    await second.welcome()
    const again = [await second.next('publish'), await second.next('publish')]
    assert.deepEqual(again, seen.slice(1), 'the very same frames, key included')
    again.forEach((frame, index) => second.say(ack(frame.id, index + 2)))
    assert.deepEqual((await Promise.all(all)).map((answer) => answer.offset), [1, 2, 3])
    assert.deepEqual(errors, [])
  }))

  test('each has a key of its own when none is given', () => scene(async ({ hub, server }) => {
    const all = [hub.publish('chat:a', 1), hub.publish('chat:a', 2)]
    const session = await server.session()
    await session.welcome()
    const frames = [await session.next('publish'), await session.next('publish')]
    assert.match(String(frames[0]?.key), /^[0-9a-z]{24}$/)
    assert.notEqual(frames[0]?.key, frames[1]?.key)
    frames.forEach((frame) => session.say(ack(frame.id)))
    await Promise.all(all)
  }))

  for (const code of ['rate_limited', 'unavailable', 'overloaded', 'internal']) {
    test(`refused with ${code}, it waits as long as told and comes again with its key`, async () => {
      const timers = new ManualTimers()
      await scene(async ({ hub, server }) => {
        hub.connect()
        await turn()
        const session = await server.session()
        await session.welcome()
        await once(hub, 'state')
        const publish = hub.publish('chat:a', 1)
        const frame = await session.next('publish')
        session.say(refusal(frame.id, code, 2_000))
        // A later frame is heard, so the refusal has been.
        const heard = once(hub, 'error')
        session.say({ type: 'error', code: 'marker', message: '', retry_after_ms: null })
        await heard
        timers.advance(1_999)
        await turn()
        assert.equal(session.pending('publish'), 0)
        timers.advance(1_001)
        assert.deepEqual(await session.next('publish'), frame)
        session.say(ack(frame.id))
        await publish
      }, { timers })
    })
  }

  for (const code of ['forbidden', 'key_conflict', 'too_large', 'a_code_of_tomorrow']) {
    test(`refused with ${code}, it fails with that and its key`, () => scene(async ({ hub, server }) => {
      const publish = hub.publish('chat:a', 1, { key: 'k' })
      const session = await server.session()
      await session.welcome()
      session.say(refusal((await session.next('publish')).id, code, null))
      await assert.rejects(publish, (error: HubError) => error.code === code && error.key === 'k' && !error.uncertain)
    }))
  }

  test('given up, it says whether the hub may have it', async () => {
    const timers = new ManualTimers()
    await scene(async ({ hub, server }) => {
      const unsent = assert.rejects(hub.publish('chat:a', 1, { giveUpMs: 10 }), (error: HubError) => error.code === 'timeout' && !error.uncertain)
      timers.advance(10)
      await unsent
      const session = await server.session()
      await session.welcome()
      const sent = assert.rejects(hub.publish('chat:a', 2, { key: 'k' }), (error: HubError) => error.code === 'timeout' && error.uncertain && error.key === 'k')
      await session.next('publish')
      timers.advance(60_000)
      await sent
    }, { timers })
  })

  test('the queue is bounded in count and bytes', () => scene(async ({ hub }) => {
    const waiting = [hub.publish('chat:a', 'x'.repeat(300)), hub.publish('chat:a', 1)]
    const failed = Promise.allSettled(waiting)
    await assert.rejects(hub.publish('chat:a', 'x'.repeat(800)), { code: 'queue_full' })
    const third = hub.publish('chat:a', 2)
    await assert.rejects(hub.publish('chat:a', 3), { code: 'queue_full' })
    hub.close()
    assert.ok((await failed).every((result) => result.status === 'rejected' && result.reason.code === 'closed'))
    await assert.rejects(third, { code: 'closed' })
    await assert.rejects(hub.publish('chat:a', 4), { code: 'closed' })
  }, { queue: { count: 3, bytes: 1_000 } }))

  test('no more are under way at once than allowed', () => scene(async ({ hub, server }) => {
    const all = Array.from({ length: 5 }, (_, n) => hub.publish('chat:a', n))
    const session = await server.session()
    await session.welcome()
    const first = [await session.next('publish'), await session.next('publish')]
    await turn()
    assert.equal(session.pending('publish'), 0)
    for (const frame of first) session.say(ack(frame.id))
    for (let n = 2; n < 5; n++) session.say(ack((await session.next('publish')).id))
    await Promise.all(all)
  }, { queue: { inFlight: 2 } }))

  test('what can not be sent is refused at once', () => scene(async ({ hub }) => {
    await assert.rejects(hub.publish('chat:a', undefined), { code: 'bad_request' })
    await assert.rejects(hub.publish('chat:a', 'x'.repeat(70_000)), { code: 'too_large' })
    await assert.rejects(hub.publish('chat:a', 1, { key: '' }), { code: 'bad_request' })
    await assert.rejects(hub.publish('chat:a', 1, { key: 'ß'.repeat(65) }), { code: 'bad_request' })
  }))
})

describe('reads', () => {
  test('history and presence answer what the hub says, also over a lost connection', () => scene(async ({ hub, server }) => {
    const page = { epoch: 'e1', first: 1, last: 9, more: true, messages: [] }
    const snapshot = { version: 3, count: 1, users: [{ user: 'u1', connections: 2 }] }
    const reads = [hub.history('chat:a', { before: 10, limit: 5 }), hub.presence('chat:a', { after: 'u0', limit: 3 })] as const
    const first = await server.session()
    await first.welcome()
    await first.next('presence')
    first.cut()
    const second = await server.session()
    await second.welcome()
    const history = await second.next('history')
    assert.deepEqual(history, { type: 'history', id: history.id, channel: 'chat:a', before: 10, limit: 5 })
    second.say({ type: 'reply', id: history.id, history: page })
    const presence = await second.next('presence')
    assert.deepEqual(presence, { type: 'presence', id: presence.id, channel: 'chat:a', after: 'u0', limit: 3 })
    second.say({ type: 'reply', id: presence.id, presence: snapshot })
    assert.deepEqual(await reads[0], page)
    assert.deepEqual(await reads[1], snapshot)
  }))
})
