// Goal: what one types is what one means, and editing gives it back. Method: the two functions alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read, write } from '../../src/chat/words/markup.js'

const marks = (typed: string): string => {
  const { text, entities } = read(typed)
  return `${text}${entities.map(({ kind, from, to }) => ` ${kind}=${text.slice(from, to)}`).join('')}`
}

test('signs around words are marks', () => {
  assert.equal(marks('a **bold** word'), 'a bold word bold=bold')
  assert.equal(marks('_it_ ~~no~~ `x = 1`'), 'it no x = 1 italic=it strike=no code=x = 1')
  assert.equal(marks('**very _much_ so**'), 'very much so bold=very much so italic=much')
})

test('signs that stand for themselves stay', () => {
  for (const typed of ['2 ** 3 ** 4', 'snake_case_name', '__init__', 'a * b', '~~ ~~', '``', '**', 'Hi, <b>not bold</b>', 'c:\\_x']) {
    assert.deepEqual(read(typed), { text: typed, entities: [] }, typed)
  }
  assert.deepEqual(read('`**not bold**`').entities.map(({ kind }) => kind), ['code'])
})

test('links are found, without what ends the sentence', () => {
  const links = (typed: string): string[] => read(typed).entities.flatMap((mark) => (mark.kind === 'link' ? [mark.url] : []))
  assert.deepEqual(links('see https://example.org/a?b=c.'), ['https://example.org/a?b=c'])
  assert.deepEqual(links('(http://a.b) and https://en.wikipedia.org/wiki/A_(b)'), ['http://a.b', 'https://en.wikipedia.org/wiki/A_(b)'])
  assert.deepEqual(links('mailto:a@b.c!'), ['mailto:a@b.c'])
  assert.deepEqual(links('javascript:alert(1) ftp://a.b https://'), [])
})

test('fences and quotes are blocks', () => {
  assert.equal(marks('see\n```\nlet **x**\n```\nyes'), 'see\nlet **x**\nyes pre=let **x**')
  assert.equal(marks('> said **so**\n> twice\nno'), 'said so\ntwice\nno quote=said so\ntwice bold=so')
  assert.equal(marks('```\nnever closed'), '```\nnever closed')
})

test('what was typed comes back when it is edited', () => {
  const all = [
    'plain', 'a **bold** word', '**_both_** and `code`', '**a ~~b~~**', '> one\n> **two**\nthree', '```\nlet x = 1\n```', 'see https://a.b now',
  ]
  for (const typed of all) {
    assert.equal(write(read(typed)), typed)
    assert.deepEqual(read(write(read(typed))), read(typed))
  }
})
