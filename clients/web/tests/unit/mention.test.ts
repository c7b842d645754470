// Goal: a name is offered exactly while one types one, and taken as a whole. Method: the functions alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asked, candidates, complete } from '../../src/chat/words/mention.js'

const typed = (text: string): string | undefined => asked(text, text.length)?.typed

test('an @ behind a space, a bracket or at the beginning asks for a name', () => {
  assert.equal(typed('@'), '')
  assert.equal(typed('hi @ad'), 'ad')
  assert.equal(typed('(@ada'), 'ada')
  assert.equal(typed('line\n@b'), 'b')
  for (const text of ['mail@example', 'hi', '@ada ', '@ada, and', '@a@b']) assert.equal(typed(text), undefined, text)
  assert.deepEqual(asked('hi @ada there', 5), { at: 3, typed: 'a' })
})

test('names that begin so come before those that hold it', () => {
  const all = ['bo', 'adam', 'ada', 'canada'].map((name) => ({ name }))
  assert.deepEqual(candidates(all, 'AD').map(({ name }) => name), ['adam', 'ada', 'canada'])
  assert.deepEqual(candidates(all, '').map(({ name }) => name), ['bo', 'adam', 'ada', 'canada'])
  assert.deepEqual(candidates(all, 'x'), [])
  assert.equal(candidates(Array.from({ length: 50 }, (_, n) => ({ name: `a${n}` })), 'a').length, 8)
})

test('the name takes the place of what was typed, with one space behind it', () => {
  assert.deepEqual(complete('hi @ad', { at: 3, typed: 'ad' }, 'ada'), { text: 'hi @ada ', caret: 8 })
  assert.deepEqual(complete('hi @a there', { at: 3, typed: 'a' }, 'ada'), { text: 'hi @ada there', caret: 8 })
})
