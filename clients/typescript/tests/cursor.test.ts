// Goal: each message is judged rightly from the position alone. Method: rows of what comes and what it means.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cursor, startOf, type Verdict } from '../src/channel/cursor.js'
import { beginWith, goOn, type Member } from '../src/channel/member.js'
import type { Begin } from '../src/protocol/encode.js'
import type { Outcome, Position } from '../src/protocol/frames.js'

type Event = { message: number; epoch?: string } | { gap: [from: number, to: number]; epoch?: string } | { skipped: number } | 'unlogged'

const rows: [name: string, events: [Event, Verdict | null][], at: string][] = [
  ['in order', [[{ message: 6 }, 'next'], [{ message: 7 }, 'next']], 'e1.7'],
  ['again', [[{ message: 6 }, 'next'], [{ message: 6 }, 'seen'], [{ message: 2 }, 'seen']], 'e1.6'],
  ['a hole moves nothing', [[{ message: 7 }, 'hole'], [{ message: 6 }, 'next']], 'e1.6'],
  ['a gap and what is behind it', [[{ gap: [6, 9] }, 'next'], [{ message: 10 }, 'next']], 'e1.10'],
  ['a gap that is over', [[{ gap: [3, 5] }, 'seen']], 'e1.5'],
  ['a gap that reaches back', [[{ gap: [3, 8] }, 'next']], 'e1.8'],
  ['a gap behind a hole', [[{ gap: [8, 9] }, 'hole']], 'e1.5'],
  ['an empty gap', [[{ gap: [6, 5] }, 'seen']], 'e1.5'],
  ['a new epoch that continues', [[{ message: 6, epoch: 'e2' }, 'next']], 'e2.6'],
  ['a new epoch that leaves something out', [[{ message: 7, epoch: 'e2' }, 'hole']], 'e1.5'],
  ['a new epoch that repeats something', [[{ message: 5, epoch: 'e2' }, 'hole']], 'e1.5'],
  ['a new epoch announced', [[{ gap: [6, 5], epoch: 'e2' }, 'next'], [{ message: 6, epoch: 'e2' }, 'next']], 'e2.6'],
  ['a new epoch that counts lower', [[{ gap: [1, 2], epoch: 'e2' }, 'next'], [{ message: 3, epoch: 'e2' }, 'next']], 'e2.3'],
  ['skipped in one place', [[{ skipped: 3 }, null], [{ message: 9 }, 'next']], 'e1.9'],
  ['skipped in two places', [[{ skipped: 3 }, null], [{ message: 7 }, 'next'], [{ message: 10 }, 'next'], [{ message: 12 }, 'hole']], 'e1.10'],
  ['skipped too few', [[{ skipped: 1 }, null], [{ message: 8 }, 'hole']], 'e1.5'],
  ['skipped before a gap', [[{ skipped: 1 }, null], [{ gap: [7, 7] }, 'next'], [{ message: 8 }, 'next']], 'e1.8'],
  ['without a log', [['unlogged', 'next'], ['unlogged', 'next']], 'e1.5'],
]

describe('the cursor at 5', () => {
  for (const [name, events, at] of rows) {
    test(name, () => {
      const cursor = new Cursor({ epoch: 'e1', offset: 5 })
      for (const [event, verdict] of events) {
        const got = event === 'unlogged' ? cursor.message({})
          : 'message' in event ? cursor.message({ epoch: event.epoch ?? 'e1', offset: event.message })
          : 'gap' in event ? cursor.gap({ epoch: event.epoch ?? 'e1', from: event.gap[0], to: event.gap[1] })
          : (cursor.skipped(event.skipped), null)
        assert.equal(got, verdict, JSON.stringify(event))
      }
      assert.equal(`${cursor.position?.epoch}.${cursor.position?.offset}`, at)
    })
  }

  test('attaching moves it by the one rule', () => {
    const at = (outcome: Outcome): Position | undefined => startOf(outcome)
    const e1 = (offset: number): Position => ({ epoch: 'e1', offset })
    assert.deepEqual(at({ outcome: 'fresh', epoch: 'e1', offset: 9 }), e1(9))
    assert.deepEqual(at({ outcome: 'fresh', epoch: 'e1', offset: 9, from: 7, to: 9 }), e1(6))
    assert.deepEqual(at({ outcome: 'continued', epoch: 'e1', offset: 9, from: 10, to: 9 }), e1(9))
    assert.deepEqual(at({ outcome: 'gap', epoch: 'e1', offset: 9, from: 3, to: 5, reason: 'expired' }), e1(5))
    assert.equal(at({ outcome: 'fresh' }), undefined)
  })
})

const member = (begin: Begin, offset?: number): Member => ({
  begin, wants: { presence: false, conflate: false }, begun: offset !== undefined,
  position: offset === undefined ? undefined : { epoch: 'e1', offset }, listener: {} as never,
})
const since = (offset: number, epoch = 'e1'): Begin => ({ since: { epoch, offset } })
const continued = (from: number, to: number): Outcome => ({ outcome: 'continued', epoch: 'e1', offset: to, from, to })
const gap = (from: number, to: number, head: number, epoch = 'e1'): Outcome => ({ outcome: 'gap', epoch, offset: head, from, to, reason: 'expired' })
const brief = (start: { position: Position | undefined; outcome: Outcome } | undefined): string =>
  start === undefined ? 'later' : `${start.position?.epoch}.${start.position?.offset} ${start.outcome.outcome} ${start.outcome.from ?? ''}-${start.outcome.to ?? ''}`

describe('a member that begins', () => {
  const begins: [name: string, begin: Begin, asked: Begin, outcome: Outcome, means: string][] = [
    ['with what comes next, behind the head', {}, since(3), continued(4, 9), 'e1.9 fresh -'],
    ['where it was asked for', since(3), since(3), continued(4, 9), 'e1.3 continued 4-9'],
    ['above where it was asked for', since(6), since(3), continued(4, 9), 'e1.6 continued 7-9'],
    ['below where it was asked for: later', since(2), since(3), continued(4, 9), 'later'],
    ['in another epoch: later', since(2, 'e0'), since(3), continued(4, 9), 'later'],
    ['in a gap', since(4), since(3), gap(4, 7, 9), 'e1.7 gap 5-7'],
    ['above a gap', since(8), since(3), gap(4, 7, 9), 'e1.8 continued 9-9'],
    ['behind a hole nobody named', since(4), since(3), continued(7, 9), 'e1.6 gap 5-6'],
    ['some messages back', { rewind: 3 }, since(3), continued(4, 9), 'e1.6 fresh 7-9'],
    ['more back than asked for: later', { rewind: 8 }, since(3), continued(4, 9), 'later'],
    ['more back than is kept', { rewind: 8 }, since(1), gap(2, 4, 9), 'e1.4 fresh 5-9'],
    ['more back than there are', { rewind: 50 }, { rewind: 50 }, { outcome: 'fresh', epoch: 'e1', offset: 2, from: 1, to: 2 }, 'e1.0 fresh 1-2'],
    ['fewer back than another', { rewind: 1 }, { rewind: 50 }, { outcome: 'fresh', epoch: 'e1', offset: 9, from: 1, to: 9 }, 'e1.8 fresh 9-9'],
    ['back in an empty log', { rewind: 5 }, { rewind: 5 }, { outcome: 'fresh', epoch: 'e1', offset: 0 }, 'e1.0 fresh -'],
  ]
  for (const [name, begin, asked, outcome, means] of begins) {
    test(name, () => assert.equal(brief(beginWith(member(begin), asked, outcome)), means))
  }
})

describe('a member that goes on from 6', () => {
  const goes: [name: string, outcome: Outcome, means: string][] = [
    ['where the stream begins', continued(7, 9), 'e1.6 continued 7-9'],
    ['on a stream that begins lower for another', continued(3, 9), 'e1.6 continued 7-9'],
    ['over a gap', gap(7, 8, 9), 'e1.8 gap 7-8'],
    ['above a gap', gap(3, 5, 9), 'e1.6 continued 7-9'],
    ['into a new epoch that continues', { outcome: 'continued', epoch: 'e2', offset: 9, from: 7, to: 9 }, 'e2.6 continued 7-9'],
    ['into a new epoch that does not', gap(5, 9, 9, 'e2'), 'e2.9 gap 5-9'],
    ['behind a hole nobody named', continued(9, 9), 'e1.8 gap 7-8'],
  ]
  for (const [name, outcome, means] of goes) {
    test(name, () => assert.equal(brief(goOn(member({}, 6), outcome)), means))
  }
})
