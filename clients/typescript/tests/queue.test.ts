// Goal: requests wait, go, come back and give up in the right order. Method: the queue alone, with the time as a number.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as encode from '../src/protocol/encode.js'
import { RequestQueue } from '../src/requests/queue.js'

const queue = (inFlight = 10): RequestQueue => new RequestQueue({ count: 100, bytes: 10_000, inFlight, perSecond: 100, burst: 50 })
const facts = { deadline: 1_000, key: undefined, done: () => {}, failed: () => {} }
const add = (to: RequestQueue, id: number, channel = 'a:b', lasting = true): void =>
  void to.add(encode.publish(id, channel, id), { ...facts, lasting })
const ids = (entries: { id: number }[]): number[] => entries.map(({ id }) => id)

describe('the queue', () => {
  test('sends in order, as many as may be under way', () => {
    const q = queue(2)
    for (const id of [1, 2, 3]) add(q, id)
    assert.deepEqual(ids(q.due(0)), [1, 2])
    assert.deepEqual(ids(q.due(0)), [])
    assert.equal(q.settle(1)?.id, 1)
    assert.equal(q.settle(1), undefined)
    assert.deepEqual(ids(q.due(0)), [3])
  })

  test('requests of the connection itself go before those that wait', () => {
    const q = queue(2)
    for (const id of [1, 2]) add(q, id)
    add(q, 3, 'a:b', false)
    assert.deepEqual(ids(q.due(0)), [3, 1])
  })

  test('after a burst it sends at its rate, and anew on the next connection', () => {
    const q = new RequestQueue({ count: 100, bytes: 10_000, inFlight: 99, perSecond: 100, burst: 3 })
    for (let id = 1; id <= 9; id++) add(q, id)
    assert.deepEqual(ids(q.due(0)), [1, 2, 3])
    assert.equal(q.wakeAt(0), 10)
    assert.deepEqual(ids(q.due(9)), [])
    assert.deepEqual(ids(q.due(10)), [4])
    assert.deepEqual(ids(q.due(35)), [5, 6])
    assert.equal(q.wakeAt(35), 40)
    q.lost()
    assert.deepEqual(ids(q.due(36)), [1, 2, 3])
  })

  test('a refusal for the rate holds everything, and the refused one goes first', () => {
    const q = queue()
    for (const id of [1, 2]) add(q, id)
    q.due(0)
    add(q, 3, 'c:d')
    q.retry(1, 'rate_limited', 50)
    assert.deepEqual(ids(q.due(49)), [])
    assert.equal(q.wakeAt(0), 50)
    assert.deepEqual(ids(q.due(50)), [1, 3])
  })

  test('any other refusal holds its channel alone', () => {
    const q = queue()
    add(q, 1)
    q.due(0)
    add(q, 2)
    add(q, 3, 'c:d')
    q.retry(1, 'unavailable', 50)
    assert.deepEqual(ids(q.due(0)), [3])
    assert.equal(q.wakeAt(0), 50)
    assert.deepEqual(ids(q.due(50)), [1, 2])
  })

  test('a lost connection brings lasting requests back in order and forgets the others', () => {
    const q = queue()
    add(q, 1)
    add(q, 2, 'a:b', false)
    q.due(0)
    add(q, 3)
    q.retry(1, 'unavailable', 500)
    q.lost()
    assert.deepEqual(ids(q.due(0)), [1, 3])
  })

  test('what has waited too long comes out, sent or not', () => {
    const q = queue()
    add(q, 1)
    q.due(0)
    add(q, 2)
    assert.deepEqual(q.expire(999), [])
    assert.deepEqual(q.expire(1_000).map(({ id, sent }) => [id, sent]), [[1, true], [2, false]])
    assert.equal(q.size, 0)
  })

  test('the bounds count what is under way too, and are given back', () => {
    const q = new RequestQueue({ count: 2, bytes: 10_000, inFlight: 9, perSecond: 100, burst: 50 })
    add(q, 1)
    q.due(0)
    add(q, 2)
    assert.throws(() => add(q, 3), { code: 'queue_full' })
    add(q, 4, 'a:b', false)
    q.settle(1)
    add(q, 5)
    assert.throws(() => add(q, 6), { code: 'queue_full' })
    assert.deepEqual(ids(q.clear()), [2, 4, 5])
    add(q, 7)
  })
})
