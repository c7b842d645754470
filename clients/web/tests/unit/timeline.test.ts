// Goal: the chat shows each message once, in order, with what is on its way at the end. Method: the timeline alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '@hubbub/client'
import { KEPT, Timeline } from '../../src/chat/timeline.js'

const message = (offset: number, fields: Partial<Message> = {}): Message =>
  ({ channel: 'chat:a', id: `m${offset}`, epoch: 'e', offset, time: offset, from: 'bo', data: { text: `${offset}` }, ...fields })
const shown = (timeline: Timeline): string[] =>
  timeline.items().map((item) => item.kind === 'message' ? `${item.message.offset ?? item.message.id}` : item.kind === 'gap' ? `gap ${item.gap.from}-${item.gap.to}` : `draft ${item.draft.key}${item.draft.failed ? '!' : ''}`)

test('messages stand by their offsets, whenever they come', () => {
  const timeline = new Timeline('ada')
  for (const offset of [5, 6, 4, 3, 6]) timeline.add(message(offset))
  assert.deepEqual(shown(timeline), ['3', '4', '5', '6'])
  assert.equal(timeline.first, 3)
  assert.equal(timeline.add(message(5)), false)
})

test('our own message takes the place of its draft, by its key and only if it is ours', () => {
  const timeline = new Timeline('ada')
  timeline.draft({ key: 'k1', text: 'hi', time: 1 })
  timeline.draft({ key: 'k2', text: 'ho', time: 2 })
  timeline.add(message(7, { from: 'bo', key: 'k1' }))
  assert.deepEqual(shown(timeline), ['7', 'draft k1', 'draft k2'])
  timeline.add(message(8, { from: 'ada', key: 'k1' }))
  assert.deepEqual(shown(timeline), ['7', '8', 'draft k2'])
  assert.equal(timeline.add(message(8, { id: 'from the ack', from: 'ada', key: 'k1' })), false, 'ack and message are one')
})

test('a draft that failed says so, and can be tried again or discarded', () => {
  const timeline = new Timeline('ada')
  timeline.draft({ key: 'k', text: 'hi', time: 1 })
  timeline.fail('k', 'forbidden')
  assert.deepEqual(shown(timeline), ['draft k!'])
  timeline.fail('k', undefined)
  assert.deepEqual(shown(timeline), ['draft k'])
  timeline.discard('k')
  assert.deepEqual(shown(timeline), [])
})

test('a gap stands where the messages are missing', () => {
  const timeline = new Timeline('ada')
  timeline.add(message(3))
  timeline.gap({ channel: 'chat:a', epoch: 'e', from: 4, to: 8, reason: 'lost' })
  timeline.add(message(9))
  timeline.gap({ channel: 'chat:a', epoch: 'e', from: 10, to: 9, reason: 'lost' })
  assert.deepEqual(shown(timeline), ['3', 'gap 4-8', '9'])
})

test('without offsets they stand as they came', () => {
  const timeline = new Timeline('ada')
  for (const id of ['b', 'a']) {
    const { epoch: _e, offset: _o, ...plain } = message(1, { id })
    timeline.add(plain)
  }
  assert.deepEqual(shown(timeline), ['b', 'a'])
  assert.equal(timeline.first, undefined)
})

test('only so many are kept, the newest', () => {
  const timeline = new Timeline('ada')
  for (let offset = 1; offset <= KEPT + 10; offset++) timeline.add(message(offset))
  assert.equal(timeline.trim(), true)
  assert.equal(timeline.first, 11)
  assert.equal(timeline.trim(), false)
})
