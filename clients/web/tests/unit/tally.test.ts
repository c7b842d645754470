// Goal: each click on a reaction counts, however slowly the hub answers. Method: a hub that answers when it is told to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mostOf, Tally } from '../../src/chat/conversation/tally.js'
import { message } from './room-samples.js'

interface Asked {
  count: number
  answer(): void
  refuse(): void
}

function scene(): { tally: Tally; asked: Asked[]; problems: string[]; turn(): Promise<void> } {
  const asked: Asked[] = []
  const problems: string[] = []
  const react = (_: string, __: string, count = 1): Promise<{ unchanged: true }> =>
    new Promise((resolve, reject) => asked.push({ count, answer: () => resolve({ unchanged: true }), refuse: () => reject(new Error('no')) }))
  return { tally: new Tally({ react }, (error) => problems.push(error.message)), asked, problems, turn: () => new Promise(setImmediate) }
}

const counts = (asked: Asked[]): number[] => asked.map(({ count }) => count)

test('where they add up, clicks that come while one is under way are sent together', async () => {
  const { tally, asked, turn } = scene()
  const one = message(1, { reactions: { '👍': { count: 5, mine: 2 } } })
  for (let n = 0; n < 4; n++) tally.add(one, '👍', 1, mostOf('counted'))
  assert.deepEqual(counts(asked), [3])
  asked[0]?.answer()
  await turn()
  assert.deepEqual(counts(asked), [3, 6])
  tally.add(one, '👍', -1, mostOf('counted'))
  asked[1]?.answer()
  await turn()
  assert.deepEqual(counts(asked), [3, 6, 5])
  asked[2]?.answer()
  await turn()
  tally.add(message(1, { reactions: { '👍': { count: 8, mine: 5 } } }), '👍', -1, mostOf('counted'))
  assert.deepEqual(counts(asked), [3, 6, 5, 4])
})

test('elsewhere it is one or none', async () => {
  const { tally, asked, turn } = scene()
  const mine = message(1, { reactions: { '👍': { count: 1, mine: 1 } } })
  tally.add(mine, '👍', 1, mostOf('distinct'))
  asked[0]?.answer()
  await turn()
  tally.add(mine, '👍', -1, mostOf('distinct'))
  tally.add(message(2), '🎉', 1, mostOf('unique'))
  assert.deepEqual(counts(asked), [1, 0, 1])
})

test('what was refused is told, and the next click begins with what there is', async () => {
  const { tally, asked, problems, turn } = scene()
  tally.add(message(1), '👍', 1, mostOf('counted'))
  asked[0]?.refuse()
  await turn()
  assert.deepEqual(problems, ['no'])
  tally.add(message(1), '👍', 1, mostOf('counted'))
  assert.deepEqual(counts(asked), [1, 1])
})
