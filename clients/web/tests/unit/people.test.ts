// Goal: the list of people is right whatever order snapshot and changes come in. Method: the list alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { People } from '../../src/chat/people.js'

const change = (version: number, event: 'join' | 'leave', user: string) => ({ channel: 'chat:a', version, event, user })
const snapshot = (version: number, ...names: string[]) =>
  ({ version, count: names.length, users: names.map((user) => ({ user, connections: 1 })) })

test('changes behind the snapshot count, those in it do not', () => {
  const people = new People()
  people.change(change(7, 'leave', 'ada'))
  people.change(change(5, 'join', 'cy'))
  people.change(change(6, 'join', 'bo'))
  people.snapshot(snapshot(5, 'ada', 'cy'))
  assert.deepEqual(people.names, ['bo', 'cy'])
  assert.equal(people.count, 2)
  assert.equal(people.change(change(7, 'leave', 'bo')), true)
  assert.deepEqual(people.names, ['bo', 'cy'], 'an old change is nothing')
})

test('a missing change is noticed', () => {
  const people = new People()
  people.snapshot(snapshot(1, 'ada'))
  assert.equal(people.change(change(2, 'join', 'bo')), true)
  assert.equal(people.change(change(4, 'join', 'cy')), false)
})

test('a list that was cut short keeps the whole count', () => {
  const people = new People()
  people.snapshot({ ...snapshot(1, 'ada'), count: 900 })
  people.change(change(2, 'join', 'bo'))
  assert.deepEqual([people.names, people.count], [['ada', 'bo'], 901])
})

test('in a large channel counts are all there is, and a list follows when it is one no more', () => {
  const people = new People()
  people.counted({ channel: 'chat:a', version: 3, count: 9 })
  people.snapshot({ version: 10, count: 5000, users: [], large: true })
  assert.equal(people.counted({ channel: 'chat:a', version: 12, count: 5001 }), true)
  assert.equal(people.counted({ channel: 'chat:a', version: 11, count: 4 }), true, 'an old count is nothing')
  assert.deepEqual([people.names, people.count], [[], 5001])
  assert.equal(people.change(change(13, 'leave', 'bo')), false)
  people.snapshot(snapshot(13, 'ada'))
  assert.equal(people.counted({ channel: 'chat:a', version: 20, count: 3 }), false)
})
