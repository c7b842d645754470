// Goal: numbers and rates are what they say. Method: a clock moved by hand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rate } from '../../src/dashboard/rate.js'
import { numberOf } from '../../src/dashboard/value.js'
import { shownOf } from '../../src/pill.js'

test('the rate is that of the last ten whole seconds', () => {
  let now = 0
  const rate = new Rate(() => now)
  assert.equal(rate.perSecond(), 0)
  for (let second = 0; second < 20; second++) {
    for (let n = 0; n < 4; n++) rate.count()
    now += 1_000
  }
  assert.equal(rate.perSecond(), 4)
  now += 5_000
  assert.equal(rate.perSecond(), 2)
  now += 1e9
  assert.equal(rate.perSecond(), 0)
})

test('values are numbers, alone or by name', () => {
  assert.equal(numberOf({ value: 42 }), 42)
  assert.equal(numberOf(0), 0)
  for (const data of [null, '42', [42], { value: '42' }, { v: 1 }]) assert.equal(numberOf(data), undefined)
})

test('the pill says what a person understands', () => {
  const shown = (state: Parameters<typeof shownOf>[0]['state'], before: boolean, online = true): string => shownOf({ state, before, error: null }, online)
  assert.deepEqual([shown('idle', false), shown('connecting', false), shown('connecting', true), shown('waiting', false)],
    ['connecting', 'connecting', 'reconnecting', 'reconnecting'])
  assert.deepEqual([shown('connected', true), shown('open', true), shown('connected', true, false)], ['connected', 'connected', 'connected'])
  assert.deepEqual([shown('waiting', true, false), shown('closed', true), shown('closed', true, false)], ['offline', 'closed', 'closed'])
})
