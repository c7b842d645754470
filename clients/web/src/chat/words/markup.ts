// What a person types and the message it means: `**bold**`, `_italic_`, `~~strike~~`, `` `code` ``, fences, `> ` quotes
// and bare links. Pure, both ways: editing a message gives back what was typed.

import type { Entity } from '@hubbub/client'
import { safeUrl } from './runs.js'

export interface Said {
  text: string
  entities: Entity[]
}

type Inline = 'bold' | 'italic' | 'strike' | 'code'

const SIGNS: Record<Inline, string> = { code: '`', bold: '**', strike: '~~', italic: '_' }
/** One of the pairs, around something that begins and ends with no space; a name_with_lines is none. */
const PAIR = /`([^`\n]+)`|\*\*(?=\S)([^\n]*?\S)\*\*|~~(?=\S)([^\n]*?\S)~~|(?<![\p{L}\p{N}_])_(?=[^\s_])([^\n]*?[^\s_])_(?![\p{L}\p{N}_])/u
const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"'`]+/gi
const FENCE = '```'

/** The message that was typed. */
export function read(typed: string): Said {
  const said: Said = { text: '', entities: [] }
  const lines = typed.trim().split('\n')
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    if (at > 0) said.text += '\n'
    const close = line.startsWith(FENCE) ? lines.indexOf(FENCE, at + 1) : -1
    if (close > at + 1) {
      block(said, 'pre', () => void (said.text += lines.slice(at + 1, close).join('\n')))
      at = close
    } else if (/^> ?\S/.test(line)) {
      block(said, 'quote', () => {
        inline(said, quoted(line))
        for (; lines[at + 1]?.startsWith('>'); at++) inline(said, `\n${quoted(lines[at + 1] as string)}`)
      })
    } else inline(said, line)
  }
  return { text: said.text, entities: said.entities.sort((a, b) => a.from - b.from || b.to - a.to) }
}

const quoted = (line: string): string => line.replace(/^> ?/, '')

function block(said: Said, kind: 'pre' | 'quote', write: () => void): void {
  const mark = { kind, from: said.text.length, to: 0 }
  said.entities.push(mark)
  write()
  mark.to = said.text.length
}

function inline(said: Said, line: string): void {
  for (let rest = line, pair = PAIR.exec(rest); ; pair = PAIR.exec(rest)) {
    if (pair === null) return plain(said, rest)
    plain(said, rest.slice(0, pair.index))
    const [whole, code, bold, strike, italic] = pair
    const kind: Inline = code !== undefined ? 'code' : bold !== undefined ? 'bold' : strike !== undefined ? 'strike' : 'italic'
    const mark = { kind, from: said.text.length, to: 0 }
    // Before what is in it: of two around the same, the outer one is first.
    said.entities.push(mark)
    if (code !== undefined) said.text += code
    else inline(said, bold ?? strike ?? italic ?? '')
    mark.to = said.text.length
    rest = rest.slice(pair.index + whole.length)
  }
}

/** Text without signs: only links are found in it. */
function plain(said: Said, text: string): void {
  for (const found of text.matchAll(LINK)) {
    // What ends a sentence does not end a link, nor does the bracket around it.
    const url = found[0].replace(/[.,;:!?]+$/, '').replace(/(?<!\([^)]*)\)+$/, '')
    const from = said.text.length + found.index
    if (safeUrl(url)) said.entities.push({ kind: 'link', from, to: from + url.length, url })
  }
  said.text += text
}

/** What to type for a message: as `read` would understand it. Marks are in order, outer ones first. */
export function write({ text, entities }: Said): string {
  const begins = new Map<number, string[]>()
  const ends = new Map<number, string[]>()
  const signs = (of: Map<number, string[]>, at: number): string[] => of.get(at) ?? of.set(at, []).get(at) ?? []
  for (const { kind, from, to } of entities) {
    if (kind in SIGNS) {
      signs(begins, from).push(SIGNS[kind as Inline])
      // What began last ends first.
      signs(ends, to).unshift(SIGNS[kind as Inline])
    } else if (kind === 'pre') {
      signs(begins, from).unshift(`${FENCE}\n`)
      signs(ends, to).push(`\n${FENCE}`)
    } else if (kind === 'quote') {
      for (const at of lineStarts(text, from, to)) signs(begins, at).unshift('> ')
    }
  }
  let typed = ''
  let at = 0
  for (const next of [...new Set([...begins.keys(), ...ends.keys()])].sort((a, b) => a - b)) {
    typed += [text.slice(at, next), ...(ends.get(next) ?? []), ...(begins.get(next) ?? [])].join('')
    at = next
  }
  return typed + text.slice(at)
}

function lineStarts(text: string, from: number, to: number): number[] {
  const starts = [from]
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
