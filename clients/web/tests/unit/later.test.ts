// Goal: the times that are offered are those that people mean, by the clock on their wall. Method: days of one week.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { laterTimes, localField } from '../../src/chat/words/later.js'

const at = (day: number, hour = 15): number => new Date(2026, 4, day, hour, 30).getTime()
const times = (day: number): Record<string, string> => Object.fromEntries(laterTimes(at(day)).map((time) => [time.id, localField(time.at)]))

test('soon, tomorrow morning and the next Monday', () => {
  assert.deepEqual(times(13), { soon: '2026-05-13T15:50', hours: '2026-05-13T18:30', tomorrow: '2026-05-14T09:00', monday: '2026-05-18T09:00' })
})

test('a Monday is not offered twice, and on one it is the next', () => {
  assert.deepEqual(times(17).monday, undefined, 'tomorrow is Monday')
  assert.deepEqual(times(18).monday, '2026-05-25T09:00')
})

test('every day offers times to come, the soonest first', () => {
  for (let day = 11; day <= 17; day++) {
    const offered = laterTimes(at(day)).map((time) => time.at)
    assert.deepEqual(offered, offered.toSorted((a, b) => a - b))
    assert.ok(offered.every((time) => time > at(day)))
  }
})
