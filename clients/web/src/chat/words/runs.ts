// What a message says, as a tree of text and marks: pure, so that what is shown can be proven without a page. Knows
// nothing of elements; an entity that is not right is left out and its text stays.

import type { Entity } from '@hubbub/client'

/** Text, or a mark around more of it. */
export type Run = { text: string } | { mark: Entity; runs: Run[] }

const KINDS = new Set(['bold', 'italic', 'strike', 'code', 'pre', 'quote', 'link', 'mention', 'mention_all', 'mention_role'])
/** Marks that make a line of their own; the line feed beside them is theirs. */
const BLOCKS = new Set(['pre', 'quote'])
const SAFE = new Set(['http:', 'https:', 'mailto:'])

/** Whether a link may lead there: only where nothing is run. */
export const safeUrl = (url: unknown): url is string => typeof url === 'string' && URL.canParse(url) && SAFE.has(new URL(url).protocol)

/** The tree of a text. Marks that overlap are cut where the outer one ends, and go on behind it. */
export function runsOf(text: string, entities: readonly Entity[] = []): Run[] {
  const fit = entities.filter((entity) => isRight(entity, text.length))
  return within(text, 0, text.length, fit.toSorted((a, b) => a.from - b.from || b.to - a.to))
}

function isRight(entity: Entity, length: number): boolean {
  const { kind, from, to } = entity
  if (!KINDS.has(kind) || !Number.isInteger(from) || !Number.isInteger(to)) return false
  if (from < 0 || to > length || from >= to) return false
  return entity.kind !== 'link' || safeUrl(entity.url)
}

/** The runs of `text` from `from` to `to`; the marks are in order and begin inside. */
function within(text: string, from: number, to: number, marks: Entity[]): Run[] {
  const runs: Run[] = []
  const left = [...marks]
  let at = from
  for (let mark = left.shift(); mark !== undefined; mark = left.shift()) {
    if (mark.from > at) runs.push({ text: text.slice(at, mark.from) })
    const end = Math.min(mark.to, to)
    const inner: Entity[] = []
    while (left[0] !== undefined && left[0].from < end) {
      const next = left.shift() as Entity
      inner.push(next.to > end ? { ...next, to: end } : next)
      if (next.to > end) insert(left, { ...next, from: end })
    }
    runs.push({ mark, runs: within(text, mark.from, end, inner) })
    at = BLOCKS.has(mark.kind) && text[end] === '\n' && (left[0]?.from ?? to) > end ? end + 1 : end
  }
  if (at < to) runs.push({ text: text.slice(at, to) })
  return runs
}

function insert(marks: Entity[], mark: Entity): void {
  const at = marks.findIndex(({ from, to }) => from > mark.from || (from === mark.from && to < mark.to))
  marks.splice(at < 0 ? marks.length : at, 0, mark)
}

/** Only some stretches, as of a search, as marks of their own kind. */
export function stretches(text: string, found: readonly (readonly [number, number])[]): { text: string; found: boolean }[] {
  const parts: { text: string; found: boolean }[] = []
  let at = 0
  for (const [from, to] of found.toSorted((a, b) => a[0] - b[0])) {
    const [begin, end] = [Math.max(from, at), Math.min(to, text.length)]
    if (begin >= end) continue
    if (begin > at) parts.push({ text: text.slice(at, begin), found: false })
    parts.push({ text: text.slice(begin, end), found: true })
    at = end
  }
  if (at < text.length) parts.push({ text: text.slice(at), found: false })
  return parts
}
