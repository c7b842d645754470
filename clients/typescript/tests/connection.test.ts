// Goal: the connection comes back after whatever ends it, and stays away when told to. Method: a scripted hub over
// a real socket; where time matters it is moved by hand.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HubError, StateChange } from '../src/index.js'
import { ManualTimers, once, scene, turn } from './support.js'

describe('the connection', () => {
  test('begins with the token, the client and a stable affinity', () => scene(async ({ hub, server }) => {
    hub.connect()
    const first = await server.session()
    assert.deepEqual(await first.welcome(), { type: 'connect', token: 't0', client: 'me/1' })
    await once(hub, 'state')
    assert.equal(hub.session?.user, 'u1')
    assert.match(first.url, /^\/ws\?affinity=[0-9a-z]{24}$/)
    first.cut()
    assert.equal((await server.session()).url, first.url)
  }, { client: 'me/1' }))

  test('answers pings', () => scene(async ({ hub, server }) => {
    hub.connect()
    const session = await server.session()
    await session.welcome()
    session.say({ type: 'ping' })
    assert.deepEqual(await session.next('pong'), { type: 'pong' })
  }))

  test('ignores frames of tomorrow and reports broken ones', () => scene(async ({ hub, server, errors }) => {
    hub.connect()
    const session = await server.session()
    await session.welcome()
    session.sayAll({ type: 'hologram', of: 'you' })
    session.say('{"type":"ack"')
    session.say('[]')
    session.say({ type: 'ping' })
    await session.next('pong')
    assert.deepEqual(hub.counters, { duplicates: 0, holes: 0, broken: 2, unknown: 1 })
    assert.deepEqual(errors, ['protocol', 'protocol'])
    assert.equal(hub.state, 'connected')
  }))

  for (const [code, meaning] of [[4500, 'bad_request'], [4501, 'unauthorized'], [4502, 'revoked'], [4503, 'disconnected']] as const) {
    test(`${code} ends it for good: everything that waits fails with ${meaning}`, () => scene(async ({ hub, server, errors }) => {
      const sub = hub.subscribe('chat:a')
      const end = once(sub, 'end')
      const publish = hub.publish('chat:a', 1)
      const failed = assert.rejects(publish, { code: meaning })
      const session = await server.session()
      await session.next('connect')
      session.close(code, 'because')
      await failed
      assert.equal(((await end)[0] as HubError).code, meaning)
      assert.equal(hub.state, 'closed')
      assert.deepEqual(errors, [meaning])
      assert.throws(() => hub.subscribe('chat:b'), { code: meaning })
      await turn()
      assert.equal(server.count, 1)
    }))
  }

  for (const code of [1001, 1012, 4000, 4001, 4002, 4003, 4004, 4006, 4007, 4008, 4009]) {
    test(`${code} does not`, () => scene(async ({ hub, server }) => {
      hub.connect()
      const session = await server.session()
      await session.welcome()
      session.close(code)
      await (await server.session()).welcome()
    }))
  }

  test('a drain is told, and followed at a random time within its window', async () => {
    const timers = new ManualTimers()
    await scene(async ({ hub, server, states }) => {
      hub.connect()
      const first = await server.session()
      await first.welcome()
      await once(hub, 'state')
      const drain = once(hub, 'drain')
      first.say({ type: 'drain', within_ms: 8_000 })
      assert.deepEqual(await drain, [{ withinMs: 8_000 }])
      timers.advance(5_999)
      await turn()
      assert.equal(server.count, 1)
      timers.advance(1)
      await (await server.session()).welcome()
      await first.gone()
      assert.deepEqual(states, ['connecting', 'connected', 'connecting'])
    }, { timers, random: () => 0.75 })
  })

  test('silence of one and a half heartbeats and a little is a dead hub', async () => {
    const timers = new ManualTimers()
    await scene(async ({ hub, server }) => {
      hub.connect()
      const first = await server.session()
      await first.welcome({ heartbeat_ms: 10_000 })
      await once(hub, 'state')
      timers.advance(17_000)
      first.say({ type: 'ping' })
      await first.next('pong')
      timers.advance(17_999)
      assert.equal(hub.state, 'connected', 'the ping counted')
      const change = once(hub, 'state')
      timers.advance(1)
      assert.equal(((await change) as [StateChange])[0].error?.code, 'timeout')
      assert.equal(hub.state, 'waiting')
      timers.advance(1_000)
      await (await server.session()).welcome()
    }, { timers })
  })

  test('after a wake it is asked for a sign of life, and given up without one', async () => {
    const timers = new ManualTimers()
    await scene(async ({ hub, server }) => {
      hub.connect()
      const session = await server.session()
      await session.welcome()
      await once(hub, 'state')
      hub.wake()
      const probe = await session.next('unsubscribe')
      const heard = once(hub, 'error')
      session.say({ type: 'error', id: probe.id, code: 'not_subscribed', message: '', retry_after_ms: null })
      session.say({ type: 'error', code: 'marker', message: '', retry_after_ms: null })
      await heard
      timers.advance(5_000)
      assert.equal(hub.state, 'connected')
      hub.wake()
      await session.next('unsubscribe')
      timers.advance(5_000)
      assert.equal(hub.state, 'waiting')
      hub.wake()
      await server.session()
    }, { timers })
  })

  test('a hub that is away is looked for with growing waits', async () => {
    const timers = new ManualTimers()
    const waits: (number | undefined)[] = []
    await scene(async ({ hub, server }) => {
      await server.stop()
      hub.connect()
      for (let n = 0; n < 7; n++) {
        while (hub.state !== 'waiting') await once(hub, 'state')
        waits.push(timers.next)
        timers.advance(timers.next ?? 0)
      }
      assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000])
    }, { timers, random: () => 0.5, backoff: {} })
  })
})

describe('the token', () => {
  test('is asked for once and kept over reconnects', () => {
    let count = 0
    return scene(async ({ hub, server }) => {
      hub.connect()
      const first = await server.session()
      assert.equal((await first.welcome()).token, 't1')
      first.cut()
      assert.equal((await (await server.session()).welcome()).token, 't1')
    }, { token: async () => `t${++count}` })
  })

  test('is renewed before it expires, without a new connection', () => {
    let count = 0
    return scene(async ({ hub, server }) => {
      hub.connect()
      const session = await server.session()
      await session.welcome()
      session.say({ type: 'expiring', expires_at: 1 })
      const refresh = await session.next('refresh')
      assert.equal(refresh.token, 't2')
      session.say({ type: 'reply', id: refresh.id, expires_at: 99 })
      session.say({ type: 'ping' })
      await session.next('pong')
      assert.equal(hub.session?.expiresAt, 99)
      assert.equal(server.count, 1)
    }, { token: async () => `t${++count}` })
  })

  test('expired (4005), a new one is used for the next connection', () => {
    let count = 0
    return scene(async ({ hub, server }) => {
      hub.connect()
      const first = await server.session()
      assert.equal((await first.welcome()).token, 't1')
      first.close(4005, 'token expired')
      assert.equal((await (await server.session()).welcome()).token, 't2')
    }, { token: async () => `t${++count}` })
  })

  test('expired and fixed, it ends the connection for good', () => scene(async ({ hub, server, errors }) => {
    hub.connect()
    const session = await server.session()
    await session.welcome()
    const closed = once(hub, 'error')
    session.close(4005)
    await closed
    assert.equal(hub.state, 'closed')
    assert.deepEqual(errors, ['token_expired'])
  }))

  test('that can not be had is an error, and asked for again', () => {
    let count = 0
    return scene(async ({ hub, server, errors }) => {
      hub.connect()
      assert.equal((await (await server.session()).welcome()).token, 'good')
      assert.deepEqual(errors, ['token_failed', 'token_failed'])
    }, {
      token: async () => {
        if (++count === 1) throw new Error('the session cookie is gone')
        return count === 2 ? '' : 'good'
      },
    })
  })
})
