// Goal: each subscriber gets each message once, in order, and hears of every hole. Method: a scripted hub over a
// real socket that replays, repeats, skips and breaks off.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HubError, Message, Subscription } from '../src/index.js'
import type { Session } from './server.js'
import { message, once, scene, turn } from './support.js'

const fresh = (offset: number): object => ({ outcome: 'fresh', epoch: 'e1', offset })
const going = (from: number, to: number): object => ({ outcome: 'continued', epoch: 'e1', offset: to, from, to })

/** The offsets that a subscription gets, and a promise of having got one. */
function offsets(sub: Subscription): { list: number[]; reached(offset: number): Promise<void> } {
  const list: number[] = []
  const waiters: (() => void)[] = []
  sub.on('message', (m: Message) => {
    list.push(m.offset ?? 0)
    for (const waiter of waiters.splice(0)) waiter()
  })
  return {
    list,
    reached: async (offset) => {
      while (!list.includes(offset)) await new Promise<void>((resolve) => waiters.push(resolve))
    },
  }
}

/** Answers the next subscribe. */
async function grant(session: Session, outcome: object): Promise<Record<string, unknown>> {
  const frame = await session.next('subscribe')
  session.say({ type: 'subscribed', id: frame.id, channel: frame.channel, ...outcome })
  return frame
}

describe('a subscription', () => {
  test('gets the outcome and then the messages, and follows their position', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a', { rewind: 2 })
    const got = offsets(sub)
    const outcome = once(sub, 'outcome')
    const session = await server.session()
    await session.welcome()
    const asked = await session.next('subscribe')
    assert.deepEqual(asked, { type: 'subscribe', id: asked.id, channel: 'chat:a', rewind: 2 })
    // In one write: the message must find the subscription in place.
    session.sayAll(
      { type: 'subscribed', id: asked.id, channel: 'chat:a', ...fresh(7), from: 6, to: 7 }, message(6), message(7), message(8))
    assert.deepEqual(await outcome, [{ outcome: 'fresh', epoch: 'e1', offset: 7, from: 6, to: 7 }])
    await got.reached(8)
    assert.deepEqual(got.list, [6, 7, 8])
    assert.deepEqual(sub.position, { epoch: 'e1', offset: 8 })
  }))

  test('resumes behind the last message, in the connect frame', () => scene(async ({ hub, server, states, errors }) => {
    const sub = hub.subscribe('chat:a', { presence: true, conflate: true })
    const eph = hub.subscribe('eph:x')
    const got = offsets(sub)
    const first = await server.session()
    assert.equal((await first.welcome()).resume, undefined)
    await grant(first, fresh(3))
    await grant(first, { outcome: 'fresh' })
    first.say(message(4))
    await got.reached(4)
    await turn()
    first.cut()
    const second = await server.session()
    const outcomes = Promise.all([once(sub, 'outcome'), once(eph, 'outcome')])
    const connect = await second.welcome({
      subscriptions: [{ channel: 'chat:a', ...going(5, 6) }, { channel: 'eph:x', outcome: 'fresh' }],
    })
    assert.deepEqual(connect.resume, [{ channel: 'chat:a', epoch: 'e1', offset: 4, presence: true, conflate: true }, { channel: 'eph:x' }])
    assert.deepEqual(await outcomes, [[{ outcome: 'continued', epoch: 'e1', offset: 6, from: 5, to: 6 }], [{ outcome: 'fresh' }]])
    second.sayAll(message(5), message(6), message(7))
    await got.reached(7)
    assert.deepEqual(got.list, [4, 5, 6, 7])
    assert.deepEqual(states, ['connecting', 'connected', 'waiting', 'connecting', 'connected'])
    assert.deepEqual(errors, [])
  }))

  test('resumes also after an attempt that broke off before the answer', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const first = await server.session()
    await first.welcome()
    await grant(first, fresh(3))
    await once(sub, 'outcome')
    first.cut()
    const second = await server.session()
    await second.next('connect')
    second.cut()
    const third = await server.session()
    assert.deepEqual((await third.next('connect')).resume, [{ channel: 'chat:a', epoch: 'e1', offset: 3 }])
  }))

  test('drops what it has seen, and counts it', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const got = offsets(sub)
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(3))
    session.sayAll(message(3), message(4), message(4), message(2), message(5))
    await got.reached(5)
    assert.deepEqual(got.list, [4, 5])
    assert.equal(hub.counters.duplicates, 3)
  }))

  test('a hole that nobody announced leads to a new connection from the position before it', () => scene(async ({ hub, server, errors }) => {
    const sub = hub.subscribe('chat:a')
    const got = offsets(sub)
    const first = await server.session()
    await first.welcome()
    await grant(first, fresh(3))
    first.sayAll(message(4), message(6), message(7))
    const second = await server.session()
    const connect = await second.welcome({ subscriptions: [{ channel: 'chat:a', ...going(5, 7) }] })
    assert.deepEqual(connect.resume, [{ channel: 'chat:a', epoch: 'e1', offset: 4 }])
    second.sayAll(message(5), message(6), message(7))
    await got.reached(7)
    assert.deepEqual(got.list, [4, 5, 6, 7])
    assert.deepEqual(errors, ['protocol'])
    assert.equal(hub.counters.holes, 1)
  }))

  test('gaps are told, and the messages behind them follow', () => scene(async ({ hub, server, errors }) => {
    const sub = hub.subscribe('chat:a')
    const got = offsets(sub)
    const gaps: unknown[] = []
    sub.on('gap', (gap) => gaps.push(gap))
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(3))
    session.sayAll(
      { type: 'gap', channel: 'chat:a', epoch: 'e1', from: 4, to: 8, reason: 'expired' }, message(9),
      { type: 'gap', channel: 'chat:a', epoch: 'e2', from: 10, to: 9, reason: 'epoch' }, message(10, { epoch: 'e2' }))
    await got.reached(10)
    assert.deepEqual(gaps, [
      { channel: 'chat:a', epoch: 'e1', from: 4, to: 8, reason: 'expired' },
      { channel: 'chat:a', epoch: 'e2', from: 10, to: 9, reason: 'epoch' },
    ])
    assert.deepEqual(sub.position, { epoch: 'e2', offset: 10 })
    assert.deepEqual(errors, [])
  }))

  test('an outcome that is a gap is also told as one', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a', { since: { epoch: 'e0', offset: 2 } })
    const session = await server.session()
    const connect = await session.next('connect')
    assert.deepEqual(connect.resume, [{ channel: 'chat:a', epoch: 'e0', offset: 2 }], 'a position of the program resumes at once')
    const gap = once(sub, 'gap')
    session.say({
      type: 'connected', session: 's', node: 'n', user: 'u', heartbeat_ms: 25_000, expires_at: 1,
      subscriptions: [{ channel: 'chat:a', outcome: 'gap', epoch: 'e1', offset: 9, from: 3, to: 8, reason: 'epoch' }],
    })
    assert.deepEqual(await gap, [{ channel: 'chat:a', epoch: 'e1', from: 3, to: 8, reason: 'epoch' }])
    assert.deepEqual(sub.position, { epoch: 'e1', offset: 8 })
  }))

  test('skipped messages are told and are no hole', () => scene(async ({ hub, server, errors }) => {
    const sub = hub.subscribe('chat:a', { conflate: true })
    const got = offsets(sub)
    const skipped = once(sub, 'skipped')
    const session = await server.session()
    await session.welcome()
    assert.equal((await grant(session, fresh(3))).conflate, true)
    session.sayAll({ type: 'skipped', channel: 'chat:a', count: 4 }, message(6), message(9), message(10))
    await got.reached(10)
    assert.deepEqual(await skipped, [{ channel: 'chat:a', count: 4 }])
    assert.deepEqual(got.list, [6, 9, 10])
    assert.deepEqual(errors, [])
  }))

  test('presence is told to who asked for it', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a', { presence: true })
    const session = await server.session()
    await session.welcome()
    assert.equal((await grant(session, fresh(0))).presence, true)
    const change = once(sub, 'presence')
    session.say({ type: 'presence', channel: 'chat:a', version: 4, event: 'join', user: 'u9' })
    assert.deepEqual(await change, [{ channel: 'chat:a', version: 4, event: 'join', user: 'u9' }])
    const count = once(sub, 'presenceCount')
    session.say({ type: 'presence_count', channel: 'chat:a', version: 5000, count: 1200 })
    assert.deepEqual(await count, [{ channel: 'chat:a', version: 5000, count: 1200 }])
  }))

  test('refused for good it ends, refused for now it is asked again', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const end = once(sub, 'end')
    const session = await server.session()
    await session.welcome()
    session.say({ type: 'error', id: (await session.next('subscribe')).id, code: 'unavailable', message: '', retry_after_ms: 1 })
    session.say({ type: 'error', id: (await session.next('subscribe')).id, code: 'forbidden', message: '', retry_after_ms: null })
    const [error] = (await end) as [HubError]
    assert.equal(error.code, 'forbidden')
  }))

  test('ended by the hub it ends; the next one is asked for anew', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(0))
    const end = once(sub, 'end')
    session.say({ type: 'unsubscribed', channel: 'chat:a', code: 'forbidden' })
    assert.equal(((await end)[0] as HubError).code, 'forbidden')
    hub.subscribe('chat:a')
    await grant(session, fresh(0))
  }))

  test('asked for before a publish it is asked for first, connected or not', () => scene(async ({ hub, server }) => {
    const order = async (channel: string): Promise<boolean> => {
      const [subscribe, publish] = [await session.next('subscribe'), await session.next('publish')]
      session.say({ type: 'subscribed', id: subscribe.id, channel, outcome: 'fresh' })
      session.say({ type: 'ack', id: publish.id, message: 'm', time: 1 })
      return session.order.indexOf(subscribe) < session.order.indexOf(publish)
    }
    hub.subscribe('eph:a')
    const first = hub.publish('eph:a', 1)
    const session = await server.session()
    await session.welcome()
    assert.ok(await order('eph:a'))
    await first
    hub.subscribe('eph:b')
    const second = hub.publish('eph:b', 2)
    assert.ok(await order('eph:b'))
    await second
  }))

  test('unsubscribing leaves the channel, and coming back asks again', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(2))
    await once(sub, 'outcome')
    sub.unsubscribe()
    const leave = await session.next('unsubscribe')
    const again = hub.subscribe('chat:a', { since: sub.position! })
    await turn()
    assert.equal(session.pending('subscribe'), 0, 'not before the hub has confirmed')
    session.say({ type: 'unsubscribed', id: leave.id, channel: 'chat:a' })
    const asked = await grant(session, going(3, 2))
    assert.deepEqual(asked.since, { epoch: 'e1', offset: 2 })
    await once(again, 'outcome')
  }))
})

describe('several subscribers of a channel', () => {
  test('share one subscription', () => scene(async ({ hub, server }) => {
    const subs = [hub.subscribe('chat:a'), hub.subscribe('chat:a')]
    const got = subs.map(offsets)
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(1))
    session.say(message(2))
    await Promise.all(got.map((one) => one.reached(2)))
    const third = hub.subscribe('chat:a')
    const late = offsets(third)
    assert.deepEqual(await once(third, 'outcome'), [{ outcome: 'fresh', epoch: 'e1', offset: 2 }])
    session.say(message(3))
    await late.reached(3)
    assert.deepEqual([got[0]?.list, got[1]?.list, late.list], [[2, 3], [2, 3], [3]])
    assert.equal(session.pending('subscribe'), 0)
    subs.forEach((sub) => sub.unsubscribe())
    await turn()
    assert.equal(session.pending('unsubscribe'), 0)
    third.unsubscribe()
    await session.next('unsubscribe')
  }))

  test('one that wants older messages gets them, and nobody gets one twice', () => scene(async ({ hub, server }) => {
    const first = hub.subscribe('chat:a')
    const one = offsets(first)
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(9))
    session.say(message(10))
    await one.reached(10)
    const second = hub.subscribe('chat:a', { rewind: 3 })
    const two = offsets(second)
    const outcome = once(second, 'outcome')
    const leave = await session.next('unsubscribe')
    session.sayAll(message(11), { type: 'unsubscribed', id: leave.id, channel: 'chat:a' })
    const asked = await session.next('subscribe')
    assert.deepEqual(asked.since, { epoch: 'e1', offset: 8 })
    session.sayAll({ type: 'subscribed', id: asked.id, channel: 'chat:a', ...going(9, 12) }, ...[9, 10, 11, 12, 13].map((n) => message(n)))
    assert.deepEqual(await outcome, [{ outcome: 'fresh', epoch: 'e1', offset: 12, from: 10, to: 12 }])
    await two.reached(13)
    assert.deepEqual(one.list, [10, 11, 12, 13])
    assert.deepEqual(two.list, [10, 11, 12, 13])
    assert.equal(hub.counters.duplicates, 0)
  }))

  test('a wish that is refused ends who wished it, not the others', () => scene(async ({ hub, server }) => {
    const first = hub.subscribe('chat:a')
    const one = offsets(first)
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(5))
    await once(first, 'outcome')
    const second = hub.subscribe('chat:a', { presence: true })
    const end = once(second, 'end')
    session.say({ type: 'unsubscribed', id: (await session.next('unsubscribe')).id, channel: 'chat:a' })
    const wide = await session.next('subscribe')
    assert.deepEqual([wide.presence, wide.since], [true, { epoch: 'e1', offset: 5 }])
    session.say({ type: 'error', id: wide.id, code: 'not_supported', message: '', retry_after_ms: null })
    assert.equal(((await end)[0] as HubError).code, 'not_supported')
    const narrow = await grant(session, going(6, 6))
    assert.deepEqual([narrow.presence, narrow.since], [undefined, { epoch: 'e1', offset: 5 }])
    session.say(message(6))
    await one.reached(6)
  }))
})

describe('as an iterator', () => {
  test('messages come one by one until it is left', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const loop = (async () => {
      const seen: number[] = []
      for await (const m of sub) if (seen.push(m.offset ?? 0) === 3) break
      return seen
    })()
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(0))
    session.sayAll(message(1), message(2), message(3), message(4))
    assert.deepEqual(await loop, [1, 2, 3])
  }))

  test('a loop that is too slow gets what waited and then an error', () => scene(async ({ hub, server }) => {
    const sub = hub.subscribe('chat:a')
    const iterator = sub[Symbol.asyncIterator]()
    const got = offsets(sub)
    const session = await server.session()
    await session.welcome()
    await grant(session, fresh(0))
    session.sayAll(...Array.from({ length: 1_001 }, (_, n) => message(n + 1)))
    await got.reached(1_001)
    for (let n = 1; n <= 1_000; n++) assert.equal((await iterator.next()).value.offset, n)
    await assert.rejects(iterator.next(), { code: 'too_slow' })
    assert.equal((await iterator.next()).done, true)
  }))

  test('it is over when the Hub closes', () => scene(async ({ hub }) => {
    const sub = hub.subscribe('chat:a')
    const next = sub[Symbol.asyncIterator]().next()
    hub.close()
    assert.deepEqual(await next, { done: true, value: undefined })
  }))
})

test('more channels than a connect frame may hold: the rest is subscribed to behind it', () => scene(async ({ hub, server }) => {
  const since = { epoch: 'e1', offset: 5 }
  for (let n = 0; n < 600; n++) hub.subscribe(`chat:${n}`, { since })
  const session = await server.session()
  const connect = await session.next('connect')
  const resumed = connect.resume as { channel: string }[]
  assert.equal(resumed.length, 512)
  session.say({
    type: 'connected', session: 's', node: 'n', user: 'u', heartbeat_ms: 25_000, expires_at: 1,
    subscriptions: resumed.map(({ channel }) => ({ channel, ...going(6, 5) })),
  })
  for (let n = 512; n < 600; n++) {
    const frame = await grant(session, going(6, 5))
    assert.deepEqual([frame.channel, frame.since], [`chat:${n}`, since])
  }
}))

test('a connect frame stays below the largest frame', () => scene(async ({ hub, server }) => {
  for (let n = 0; n < 400; n++) hub.subscribe(`chat:${'x'.repeat(180)}${n}`, { since: { epoch: 'e1', offset: 5 } })
  const connect = await (await server.session()).next('connect')
  assert.ok(JSON.stringify(connect).length <= 65_536)
  assert.ok((connect.resume as object[]).length > 200)
}))
