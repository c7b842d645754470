// Goal: a snapshot and the events behind it make the next snapshot. Method: cases of before, events and after, one a
// line: those of HUBBUB_ROOM_CASES, which real rules have made, or those that were written by hand from docs/CHAT.md.

import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Case, Model } from './rooms-model.js'

const file = process.env.HUBBUB_ROOM_CASES ?? fileURLToPath(new URL('../../tests/cases/rooms.jsonl', import.meta.url))
const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line !== '')

lines.forEach((line, index) => {
  const { name, viewer, events } = JSON.parse(line) as Case
  test(`line ${index + 1}: ${name ?? `${events.length} events as ${viewer} sees them`}`, () => {
    // Read again: thousands of cases at once would be large.
    const { before, events, after } = JSON.parse(line) as Case
    const model = new Model(viewer, before)
    for (const event of events) model.hear(event)
    model.compare(after)
  })
})
