// Goal: what a window no longer holds is told as a gap, and only that. Method: more messages than it holds are published
// to a real hub while the subscriber is away.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { Heard, numbers, test, withClients } from './scene.js'
import { TestHub } from './test-hub.mjs'

let hub: TestHub
before(async () => void (hub = await TestHub.start()))
after(() => hub?.stop())

/** Publishes numbers to a channel, at most 1,000 in one request. */
async function fill(channel: string, from: number, to: number): Promise<void> {
  for (let start = from; start <= to; start += 1_000) {
    await hub.publishAll(numbers(start, Math.min(to, start + 999)).map((n) => ({ channel, data: n })))
  }
}

test('1,100 messages into a window of 1,000: the first hundred are a gap, the others come', withClients(() => hub, async (clients) => {
  await fill('live:w', 1, 5)
  const ada = clients.of('ada')
  const before = ada.subscribe('live:w', { rewind: 5 })
  await new Heard(before).count(5)
  before.unsubscribe()
  await fill('live:w', 6, 1_105)
  const heard = new Heard(ada.subscribe('live:w', { since: before.position! }))
  await heard.count(1_000)
  assert.deepEqual(heard.events, ['gap 6-105', 'gap 6-105 expired'])
  assert.deepEqual(heard.data, numbers(106, 1_105))
  assert.deepEqual(heard.offsets, numbers(106, 1_105))
  await hub.publish('live:w', 1_106)
  await heard.count(1_001)
  assert.deepEqual(clients.faults, [])
}))

test('a position within the window continues without a gap', withClients(() => hub, async (clients) => {
  await fill('live:v', 1, 5)
  const ada = clients.of('ada')
  const before = ada.subscribe('live:v', { rewind: 5 })
  await new Heard(before).count(5)
  before.unsubscribe()
  await fill('live:v', 6, 1_004)
  const heard = new Heard(ada.subscribe('live:v', { since: before.position! }))
  await heard.count(999)
  assert.deepEqual(heard.events, ['continued 6-1004'])
  assert.deepEqual(heard.data, numbers(6, 1_004))
}))
