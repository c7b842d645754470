// Goal: waits stay within their bounds and use all of them. Method: many draws with a seeded generator.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoff, defaultBackoff, draw } from '../src/backoff.js'
import { seeded } from './support.js'

test('each wait is anywhere between 0 and a bound that doubles from 0.5 s to 20 s', () => {
  const random = seeded(42)
  const caps = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]
  for (const [failures, cap] of caps.entries()) {
    const draws = Array.from({ length: 1_000 }, () => draw(backoff(failures, 0, defaultBackoff), random))
    assert.ok(draws.every((ms) => ms >= 0 && ms < cap), `after ${failures}`)
    assert.ok(Math.min(...draws) < cap * 0.02, 'the low end is used')
    assert.ok(Math.max(...draws) > cap * 0.98, 'the high end is used')
    const mean = draws.reduce((sum, ms) => sum + ms, 0) / draws.length
    assert.ok(Math.abs(mean - cap / 2) < cap * 0.05, `the mean ${mean} is half of ${cap}`)
  }
})

test('a time that was asked for is waited at least', () => {
  const random = seeded(1)
  for (let i = 0; i < 1_000; i++) {
    const ms = draw(backoff(0, 3_000, defaultBackoff), random)
    assert.ok(ms >= 3_000 && ms < 3_500)
  }
})

test('no number of failures makes it overflow', () => {
  assert.deepEqual(backoff(1e9, 0, defaultBackoff), { minMs: 0, maxMs: 20_000 })
})
