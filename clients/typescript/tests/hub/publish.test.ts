// Goal: what is published is taken once, numbered, delivered and remembered. Method: two clients of a real hub.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { type Clients, Heard, numbers, test, withClients } from './scene.js'
import { TestHub } from './test-hub.mjs'

let hub: TestHub
before(async () => void (hub = await TestHub.start()))
after(() => hub?.stop())
const scene = (run: (clients: Clients) => Promise<void>): (() => Promise<void>) => withClients(() => hub, run)

test('a message reaches another user with the position of its ack, its publisher and its key', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const heard = new Heard(bo.subscribe('chat:ack'))
  await heard.hears('fresh 0')
  const ack = await ada.publish('chat:ack', { text: 'Grüße, 世界 🌍' }, { key: 'k1' })
  await heard.count(1)
  assert.equal(ack.offset, 1)
  assert.deepEqual(heard.messages[0], {
    channel: 'chat:ack', id: ack.message, epoch: ack.epoch, offset: 1, time: ack.time, from: 'ada', key: 'k1', data: { text: 'Grüße, 世界 🌍' },
  })
  assert.deepEqual([ada.session?.user, bo.session?.user], ['ada', 'bo'])
  assert.deepEqual(clients.faults, [])
}))

for (const channel of ['chat:key', 'live:key']) {
  test(`${channel}: the same key gives the first ack again, other data is refused, another user has keys of its own`, scene(async (clients) => {
    const [ada, bo] = [clients.of('ada'), clients.of('bo')]
    const first = await ada.publish(channel, { n: 1 }, { key: 'same' })
    assert.deepEqual(await ada.publish(channel, { n: 1 }, { key: 'same' }), first)
    await assert.rejects(ada.publish(channel, { n: 2 }, { key: 'same' }), { code: 'key_conflict', key: 'same' })
    assert.equal((await bo.publish(channel, { n: 2 }, { key: 'same' })).offset, 2)
  }))
}

test('publishes leave in the order of the calls, faster than the hub allows and without a refusal', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const heard = new Heard(bo.subscribe('live:order'))
  await heard.hears('fresh 0')
  const acks = await Promise.all(numbers(1, 260).map((n) => ada.publish('live:order', n)))
  await heard.count(260)
  assert.deepEqual(acks.map(({ offset }) => offset), numbers(1, 260))
  assert.deepEqual(heard.data, numbers(1, 260))
  assert.deepEqual(clients.faults, [])
}))

test('history is read in both directions, page by page', scene(async (clients) => {
  await hub.publishAll(numbers(1, 120).map((n) => ({ channel: 'chat:past', data: n })))
  const ada = clients.of('ada')
  const newest = await ada.history('chat:past')
  assert.deepEqual([newest.first, newest.last, newest.more], [1, 120, true])
  assert.deepEqual(newest.messages.map(({ data }) => data), numbers(71, 120).reverse())
  const older = await ada.history('chat:past', { before: 71, limit: 70 })
  assert.deepEqual(older.messages.map(({ data }) => data), numbers(1, 70).reverse())
  assert.equal(older.more, false)
  const rising = await ada.history('chat:past', { after: 100, limit: 10 })
  assert.deepEqual(rising.messages.map(({ data }) => data), numbers(101, 110))
  assert.equal(rising.more, true)
}))

test('a rewind begins with the last messages, and a second subscriber of the same client with its own', scene(async (clients) => {
  await hub.publishAll(numbers(1, 300).map((n) => ({ channel: 'live:rewind', data: n })))
  const ada = clients.of('ada')
  const first = new Heard(ada.subscribe('live:rewind', { rewind: 3 }))
  await first.count(3)
  const second = new Heard(ada.subscribe('live:rewind', { rewind: 280 }))
  await second.count(280)
  await hub.publish('live:rewind', 301)
  await Promise.all([first.count(4), second.count(281)])
  assert.deepEqual(first.data, numbers(298, 301))
  assert.deepEqual(second.data, numbers(21, 301))
}))

test('a channel without a log: no position in the ack, delivered all the same, no history', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const heard = new Heard(bo.subscribe('eph:cafe'))
  await heard.hears('fresh')
  const ack = await ada.publish('eph:cafe', 'psst')
  assert.deepEqual(Object.keys(ack).sort(), ['message', 'time'])
  await heard.count(1)
  assert.deepEqual([heard.messages[0]?.data, heard.messages[0]?.offset], ['psst', undefined])
  await assert.rejects(ada.history('eph:cafe'), { code: 'not_supported' })
}))

test('what is not allowed is refused by name and ends nothing else', scene(async (clients) => {
  const ada = clients.of('ada')
  const heard = new Heard(ada.subscribe('chat:open'))
  await assert.rejects(ada.publish('feed:cpu', 1), { code: 'forbidden' })
  await assert.rejects(ada.publish('nowhere:x', 1), { code: 'not_found' })
  await assert.rejects(ada.publish('chat:open', 'x'.repeat(70_000)), { code: 'too_large' })
  await assert.rejects(ada.publish('no channel', 1), { code: 'bad_request' })
  const other = new Heard(ada.subscribe('user:bo'))
  await other.until(({ events }) => events.length > 0)
  assert.deepEqual(other.events, ['end forbidden'])
  await ada.publish('chat:open', 'still here')
  await heard.count(1)
  assert.equal(ada.state, 'connected')
}))
