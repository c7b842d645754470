// Goal: a message is shown as what it says and nothing more, whatever its marks are. Method: the tree of runs alone,
// written out, and noise: its text is always the text of the message.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entity } from '@hubbub/client'
import { type Run, runsOf, safeUrl, stretches } from '../../src/chat/words/runs.js'

const written = (runs: Run[]): string =>
  runs.map((run) => ('text' in run ? run.text : `<${run.mark.kind}>${written(run.runs)}</${run.mark.kind}>`)).join('')
const plain = (runs: Run[]): string => runs.map((run) => ('text' in run ? run.text : plain(run.runs))).join('')
const shown = (text: string, ...marks: [string, number, number, object?][]): string =>
  written(runsOf(text, marks.map(([kind, from, to, more]) => ({ kind, from, to, ...more }) as Entity)))

test('marks stand around their stretch, one in another', () => {
  assert.equal(shown('plain'), 'plain')
  assert.equal(shown('a bold b', ['bold', 2, 6]), 'a <bold>bold</bold> b')
  assert.equal(shown('all', ['bold', 0, 3], ['italic', 0, 3]), '<bold><italic>all</italic></bold>')
  assert.equal(shown('abcdef', ['italic', 2, 3], ['bold', 0, 6]), '<bold>ab<italic>c</italic>def</bold>')
  assert.equal(shown('hi @ada!', ['mention', 3, 7, { user: 'ada' }]), 'hi <mention>@ada</mention>!')
})

test('marks that overlap are cut and go on', () => {
  assert.equal(shown('abcdef', ['bold', 0, 4], ['italic', 2, 6]), '<bold>ab<italic>cd</italic></bold><italic>ef</italic>')
  assert.equal(shown('abcdef', ['bold', 0, 3], ['italic', 1, 5], ['strike', 2, 6]),
    '<bold>a<italic>b<strike>c</strike></italic></bold><strike><italic>de</italic>f</strike>')
})

test('the line feed behind a block is the block\'s own', () => {
  assert.equal(shown('code\nthen', ['pre', 0, 4]), '<pre>code</pre>then')
  assert.equal(shown('a\nq\nb', ['quote', 2, 3]), 'a\n<quote>q</quote>b')
})

test('what is not right is left out, and its text stays', () => {
  for (const [from, to] of [[-1, 2], [0, 99], [2, 2], [3, 1], [0.5, 2], [NaN, 2]] as const) assert.equal(shown('text', ['bold', from, to]), 'text')
  assert.equal(shown('text', ['blink', 0, 4]), 'text')
  assert.equal(shown('text', ['link', 0, 4]), 'text')
  const bad = [
    'javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', '/path', 'https://',
  ]
  for (const url of bad) {
    assert.equal(shown('text', ['link', 0, 4, { url }]), 'text', url)
  }
  assert.equal(shown('text', ['link', 0, 4, { url: 'https://example.org' }]), '<link>text</link>')
})

test('only http, https and mailto lead somewhere', () => {
  assert.deepEqual(['http://a.b', 'https://a.b/c', 'mailto:a@b.c'].map(safeUrl), [true, true, true])
  assert.deepEqual(['file:///etc/passwd', 'blob:x', 'about:blank', undefined, 7].map(safeUrl), [false, false, false, false, false])
})

test('no marks, however they stand, lose or double a letter', () => {
  let seed = 7
  const draw = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below
  const kinds = ['bold', 'italic', 'strike', 'code', 'mention_all'] as const
  const text = 'The quick 🦊 jumps over the lazy 🐕.'
  for (let round = 0; round < 2_000; round++) {
    const marks = Array.from({ length: draw(7) }, () => ({ kind: kinds[draw(5)], from: draw(40) - 2, to: draw(44) }) as Entity)
    assert.equal(plain(runsOf(text, marks)), text, JSON.stringify(marks))
  }
})

test('what a search found is marked, wherever it overlaps', () => {
  const marked = (text: string, ...found: [number, number][]): string => stretches(text, found).map((part) => (part.found ? `[${part.text}]` : part.text)).join('')
  assert.equal(marked('hello world', [0, 5]), '[hello] world')
  assert.equal(marked('hello world', [6, 11], [0, 5]), '[hello] [world]')
  assert.equal(marked('aaaa', [0, 3], [1, 4]), '[aaa][a]')
  assert.equal(marked('short', [3, 99], [9, 12]), 'sho[rt]')
})
