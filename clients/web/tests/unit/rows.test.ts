// Goal: messages of one author stand together, days and what is new are marked once, readers stand where they are.
// Method: the rows alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Member, Outgoing, ShownMessage } from '@hubbub/client'
import { rowsOf } from '../../src/chat/conversation/rows.js'
import { message, NOON } from './room-samples.js'

const MINUTE = 60_000
const rows = (messages: ShownMessage[], readTo?: number, members: Member[] = []) => rowsOf(messages, { user: 'ada', readTo, before: false, members })
const firsts = (...messages: ShownMessage[]): boolean[] => rows(messages).map(({ first }) => first)
const outgoing: Outgoing = { key: 'k', state: 'pending', error: null, retry() {}, discard() {} }

test('a run ends with another author, five minutes, another day or an answer', () => {
  assert.deepEqual(firsts(message(1), message(2), message(3, { from: 'cy' }), message(4)), [true, false, true, true])
  assert.deepEqual(firsts(message(1, { time: NOON }), message(2, { time: NOON + 6 * MINUTE })), [true, true])
  assert.deepEqual(firsts(message(1), message(2, { reply_to: 'm1' })), [true, true])
  const midnight = new Date(2026, 4, 13).getTime()
  const [late, early] = rows([message(1, { time: midnight - 1_000 }), message(2, { time: midnight + 1_000 })])
  assert.deepEqual([late?.day, early?.day, early?.first], [true, true, true])
})

test('the first new message of another is marked, and no other', () => {
  const all = [message(1), message(2, { from: 'ada' }), message(3), message(4)]
  const marked = (readTo?: number): string[] => rows(all, readTo).filter(({ unread }) => unread).map(({ id }) => id)
  assert.deepEqual(marked(1), ['m:m3'])
  assert.deepEqual(marked(0), ['m:m1'])
  assert.deepEqual(marked(4), [])
  assert.deepEqual(marked(undefined), [])
})

test('where what is new begins is not known before older messages are', () => {
  const marked = (before: boolean, ...ordinals: number[]): number =>
    rowsOf(ordinals.map((ordinal) => message(ordinal)), { user: 'ada', readTo: 4, before, members: [] }).findIndex(({ unread }) => unread)
  assert.equal(marked(true, 9, 10), -1)
  assert.equal(marked(true, 4, 5, 6), 1)
  assert.equal(marked(false, 9, 10), 0)
  const days = (before: boolean): boolean[] => rowsOf([message(1), message(2)], { user: 'ada', readTo: undefined, before, members: [] }).map(({ day }) => day)
  assert.deepEqual([days(true), days(false)], [[false, false], [true, false]], 'nor where its day began')
})

test('one\'s own message keeps its row while it is sent', () => {
  const [waits] = rows([message(0, { id: 'k', key: 'k', from: 'ada', outgoing })])
  const [sent] = rows([message(7, { key: 'k', from: 'ada' })])
  assert.equal(waits?.id, sent?.id)
  const [other] = rows([message(7, { key: 'k', from: 'bo' })])
  assert.notEqual(other?.id, sent?.id)
})

test('a reader stands at the last message they have read, unless it is their own', () => {
  const member = (user: string, read: number): Member => ({ user, read, role: 'member', state: 'joined', since: 0, muted_until: null })
  const all = [message(1), message(2, { from: 'ada' }), message(4, { from: 'cy' })]
  const members = [member('bo', 3), member('cy', 4), member('ada', 4), member('di', 9), member('ed', 0)]
  const readers = rows(all, undefined, members)
  assert.deepEqual(readers.map((row) => [...row.readers]), [[], ['bo'], ['di']])
})
