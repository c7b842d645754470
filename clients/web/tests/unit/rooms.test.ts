// Goal: rooms stand in the order of reading, are called right, and show what one may do. Method: the pure parts alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LastMessage, Member } from '@hubbub/client'
import { typingWords } from '../../src/chat/composer/typing.js'
import { above, mayDelete, mayPin, roles, shut, slow } from '../../src/chat/rights.js'
import { ordered } from '../../src/chat/side/order.js'
import { titleOf } from '../../src/chat/titles.js'
import { dayName, seconds, until } from '../../src/chat/words/clock.js'
import { listed, me, message, NOON, room } from './room-samples.js'

const last = (time: number): LastMessage => ({ id: 'm', ordinal: 1, time, from: 'bo', text: 'hi' })
const member = (role: Member['role']): Member => ({ user: 'bo', role, state: 'joined', since: 0, muted_until: null })

test('the room with the newest message is first, archived ones are last, invitations apart', () => {
  const rooms = [
    listed('room:old', { last: last(NOON + 1) }), listed('room:new', { last: last(NOON + 9) }), listed('room:empty', { created: NOON + 5 }, { since: 0 }),
    listed('room:shut', { last: last(NOON + 99), archived: true }), listed('room:asked', {}, { state: 'invited' }),
  ]
  const { invitations, joined } = ordered(rooms)
  assert.deepEqual(joined.map(({ channel }) => channel), ['room:new', 'room:empty', 'room:old', 'room:shut'])
  assert.deepEqual(invitations.map(({ channel }) => channel), ['room:asked'])
})

test('a room is called by its name, a direct one by who else is in it', () => {
  assert.equal(titleOf(room({ name: 'General' }), 'ada', undefined), 'General')
  const { name: _, ...nameless } = room({ channel: 'room:x7', kind: 'direct' })
  assert.equal(titleOf(nameless, 'ada', ['bo', 'cy']), 'bo, cy')
  assert.equal(titleOf(nameless, 'ada', []), 'ada (you)')
  assert.equal(titleOf(nameless, 'ada', ['a', 'b', 'c', 'd', 'e', 'f']), 'a, b, c, d and 2 more')
  assert.equal(titleOf({ ...nameless, last: last(1) }, 'ada', undefined), 'bo')
  assert.equal(titleOf({ ...nameless, kind: 'private' }, 'ada', undefined), 'x7')
})

test('who may not write is told why', () => {
  const why = (info: Parameters<typeof room>[0], mine: Parameters<typeof me>[0]): string | undefined => shut(room(info), me(mine), NOON)?.why
  assert.equal(why({}, {}), undefined)
  assert.equal(shut(room(), null, NOON)?.why, 'stranger')
  assert.equal(why({}, { state: 'left' }), 'stranger')
  assert.equal(why({ kind: 'private' }, { state: 'left' }), 'outside')
  assert.equal(why({}, { state: 'invited' }), 'invited')
  assert.equal(why({}, { state: 'banned' }), 'banned')
  assert.equal(why({ archived: true }, { role: 'owner' }), 'archived')
  assert.equal(why({ kind: 'announcement' }, {}), 'announcement')
  assert.equal(why({ kind: 'announcement' }, { role: 'moderator' }), undefined)
  assert.equal(why({}, { muted_until: NOON + 1 }), 'muted')
  assert.equal(why({}, { muted_until: NOON - 1 }), undefined)
})

test('nobody acts upon somebody of the own role or above, but owners upon owners', () => {
  assert.equal(above(me({ role: 'moderator' }), member('member')), true)
  assert.equal(above(me({ role: 'moderator' }), member('moderator')), false)
  assert.equal(above(me({ role: 'owner' }), member('owner')), true)
  assert.equal(above(me({ role: 'member' }), member('guest')), false)
  assert.equal(above(me({ role: 'owner', state: 'left' }), member('guest')), false)
  assert.deepEqual(roles(me({ role: 'moderator' }), member('guest')), ['member'])
  assert.deepEqual(roles(me({ role: 'owner' }), member('member')), ['owner', 'moderator', 'guest'])
})

test('one deletes what is one\'s own, moderators everything; in a direct room everybody pins', () => {
  assert.equal(mayDelete(message(1, { from: 'ada' }), 'ada', me()), true)
  assert.equal(mayDelete(message(1), 'ada', me()), false)
  assert.equal(mayDelete(message(1), 'ada', me({ role: 'moderator' })), true)
  assert.equal(mayPin(room({ kind: 'direct' }), me()), true)
  assert.equal(mayPin(room(), me()), false)
})

test('slow mode makes members wait, and moderators not', () => {
  const slowly = room({ slow_mode_s: 30 })
  assert.equal(slow(slowly, me(), NOON, NOON + 10_000), 20_000)
  assert.equal(slow(slowly, me(), NOON, NOON + 40_000), 0)
  assert.equal(slow(slowly, me(), undefined, NOON), 0)
  assert.equal(slow(slowly, me({ role: 'moderator' }), NOON, NOON), 0)
  assert.equal(slow(room(), me(), NOON, NOON), 0)
})

test('who types, waits and when, in words', () => {
  assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(typingWords), ['', 'a is typing…', 'a and b are typing…', '3 people are typing…'])
  assert.deepEqual([500, 59_001, 61_000, 7_200_000].map(seconds), ['1 s', '1:00 min', '1:01 min', '2 h'])
  assert.equal(dayName(NOON, NOON + 3_600_000), 'Today')
  assert.equal(dayName(NOON, NOON + 86_400_000), 'Yesterday')
  assert.equal(until(Number.MAX_SAFE_INTEGER, NOON), undefined)
})
