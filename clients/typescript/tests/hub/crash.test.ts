// Goal: neither a killed nor a drained hub loses, doubles or reorders what was acknowledged. Method: clients that publish
// and listen without a pause while a real hub dies under them and comes back on the same data.

import assert from 'node:assert/strict'
import { afterEach, beforeEach } from 'node:test'
import type { Ack } from '../../src/index.js'
import { once } from '../support.js'
import { Clients, Heard, numbers, test } from './scene.js'
import { TestHub } from './test-hub.mjs'

let hub: TestHub
let clients: Clients
beforeEach(async () => {
  hub = await TestHub.start({ HUBBUB_LIMITS__DRAIN_MS: '3000' })
  clients = new Clients(hub)
})
afterEach(async () => {
  clients?.close()
  await hub?.stop()
})

/** Each message once, in the order of the log, as its ack said; no gap was told. */
function isWhole(heard: Heard, acks: Ack[]): void {
  assert.deepEqual(heard.offsets, numbers(1, acks.length))
  const byKey = new Map(heard.messages.map(({ id, offset, data }) => [data, { id, offset }]))
  acks.forEach(({ message, offset }, n) => assert.deepEqual(byKey.get(n), { id: message, offset }, `message ${n}`))
  assert.deepEqual(heard.events.filter((event) => /gap|end/.test(event)), [])
}

test('killed three times under load: every publish is acknowledged and comes once', async () => {
  const [ada, bo] = [clients.of('ada', { queue: { perSecond: 60, burst: 60 } }), clients.of('bo')]
  const heard = new Heard(bo.subscribe('chat:crash'))
  await heard.hears('fresh 0')
  const acks = Promise.all(numbers(0, 359).map((n) => ada.publish('chat:crash', n)))
  for (const seen of [40, 130, 220]) {
    await heard.count(seen)
    await hub.kill()
    await hub.restart()
  }
  const all = await acks
  await heard.count(360)
  isWhole(heard, all)
  const log = await bo.history<number>('chat:crash', { after: 0, limit: 1_000 })
  assert.deepEqual(log.messages.map(({ data }) => data).sort((a, b) => a - b), numbers(0, 359), 'and the log has it once')
  assert.equal(heard.events.filter((event) => event.startsWith('continued')).length, 3)
  assert.equal(bo.counters.holes, 0)
})

test('a publish made while the hub is away is taken once, and its key holds over another kill', async () => {
  const ada = clients.of('ada')
  ada.connect()
  await once(ada, 'state')
  await hub.kill()
  const waiting = ada.publish('chat:retry', { text: 'hi' }, { key: 'k1' })
  await hub.restart()
  const first = await waiting
  assert.equal(first.offset, 1)
  await hub.kill()
  await hub.restart()
  const again = await ada.publish('chat:retry', { text: 'hi' }, { key: 'k1' })
  assert.deepEqual([again.message, again.offset, again.time], [first.message, 1, first.time])
  assert.equal((await ada.history('chat:retry')).last, 1)
})

test('a position outlives client and hub: another client goes on behind it', async () => {
  await hub.publishAll(numbers(1, 10).map((n) => ({ channel: 'chat:later', data: n })))
  const ada = clients.of('ada')
  const first = ada.subscribe('chat:later', { rewind: 4 })
  await new Heard(first).count(4)
  ada.close()
  await hub.kill()
  await hub.restart()
  await hub.publishAll(numbers(11, 12).map((n) => ({ channel: 'chat:later', data: n })))
  assert.equal(first.position?.offset, 10)
  const second = new Heard(clients.of('ada').subscribe('chat:later', { since: first.position! }))
  await second.count(2)
  assert.deepEqual(second.events, ['continued 11-12'])
  assert.deepEqual(second.data, [11, 12])
})

test('a window dies with the hub: the subscriber is told of a gap and goes on', async () => {
  await hub.publishAll(numbers(1, 5).map((n) => ({ channel: 'live:score', data: n })))
  const heard = new Heard(clients.of('bo').subscribe('live:score', { rewind: 5 }))
  await heard.count(5)
  await hub.kill()
  await hub.restart()
  await heard.until(({ events }) => events.some((event) => /^gap .* epoch$/.test(event)))
  await hub.publish('live:score', 6)
  await heard.count(6)
  assert.deepEqual(heard.data, numbers(1, 6))
})

test('drained and started again: clients are told, leave in time and go on; nothing is lost', async () => {
  const [ada, bo] = [clients.of('ada', { queue: { perSecond: 60, burst: 60 } }), clients.of('bo')]
  const heard = new Heard(bo.subscribe('chat:drain'))
  await heard.hears('fresh 0')
  const drained = Promise.all([once(ada, 'drain'), once(bo, 'drain')])
  const acks = Promise.all(numbers(0, 239).map((n) => ada.publish('chat:drain', n)))
  await heard.count(70)
  const begun = Date.now()
  assert.equal(await hub.terminate(), 0, 'it ends in peace')
  assert.ok(Date.now() - begun < 6_000, 'within its deadline and a little')
  for (const [{ withinMs }] of (await drained) as [{ withinMs: number }][]) assert.ok(withinMs > 0 && withinMs <= 3_000)
  await hub.restart()
  const all = await acks
  await heard.count(240)
  isWhole(heard, all)
})
