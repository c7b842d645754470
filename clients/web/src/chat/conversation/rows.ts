// What a list of messages shows, as data: who begins a run, where a day or the unread ones begin, who has read how far.
// Pure: knows neither the page nor the hub.

import type { Member, ShownMessage } from '@hubbub/client'
import { sameDay } from '../words/clock.js'

/** Messages of one author that are closer than this stand together. */
const TOGETHER_MS = 5 * 60_000

/** A message with what stands above and below it. `id` stays the same while it is sent. */
export interface Row {
  id: string
  message: ShownMessage
  /** Begins a run of its author: with face, name and time. */
  first: boolean
  /** Begins a day. */
  day: boolean
  /** The first one that was not read when the room was opened. */
  unread: boolean
  /** Who has read up to here, by id. */
  readers: readonly string[]
}

export interface Reading {
  user: string
  /** Messages of others above this ordinal are new; undefined when the line is not wanted. */
  readTo: number | undefined
  /** Whether there are older messages that are not loaded. */
  before: boolean
  /** Members with `read`, in rooms with receipts. */
  members: readonly Member[]
}

export const rowId = (message: ShownMessage, user: string): string =>
  (message.from === user || message.outgoing !== undefined) && message.key !== undefined ? `k:${message.key}` : `m:${message.id}`

export function rowsOf(messages: readonly ShownMessage[], { user, readTo, before: older, members }: Reading): Row[] {
  const readers = readersOf(messages, user, members)
  const isNew = (message: ShownMessage): boolean =>
    readTo !== undefined && message.outgoing === undefined && message.ordinal > readTo && message.from !== user
  const at = messages.findIndex(isNew)
  // Where the first one stands is known only with what was read before it.
  const line = at > 0 || !older ? messages[at] : undefined
  return messages.map((message, index) => {
    const before = messages[index - 1]
    const day = before === undefined ? !older : !sameDay(before.time, message.time)
    const unread = message === line
    const first = day || unread || before === undefined || !together(before, message)
    return { id: rowId(message, user), message, first, day, unread, readers: readers.get(message.id) ?? NOBODY }
  })
}

const NOBODY: readonly string[] = []

function together(before: ShownMessage, message: ShownMessage): boolean {
  return before.from === message.from && message.reply_to === undefined && message.time - before.time < TOGETHER_MS
}

/** Each reader stands once: at the last message that they have read, unless that is their own. */
function readersOf(messages: readonly ShownMessage[], user: string, members: readonly Member[]): Map<string, string[]> {
  const at = new Map<string, string[]>()
  for (const { user: reader, read, state } of members) {
    if (reader === user || read === undefined || state !== 'joined') continue
    const message = messages.findLast((one) => one.outgoing === undefined && one.ordinal <= read)
    if (message === undefined || message.from === reader) continue
    at.set(message.id, [...(at.get(message.id) ?? []), reader])
  }
  return at
}

/** The message that a thread hangs under, and the thread: the day is told once. */
export function underRoot(root: ShownMessage, rows: readonly Row[], user: string): Row[] {
  const top = rowsOf([root], { user, readTo: undefined, before: false, members: [] })
  return [...top, ...rows.map((row, index) => (index === 0 && sameDay(root.time, row.message.time) ? { ...row, day: false } : row))]
}

/** A guess of what a message takes, in pixels. */
export function height({ message, first, day, unread }: Row): number {
  const lines = message.text.split('\n').reduce((sum, line) => sum + 1 + Math.floor(line.length / 90), 0)
  const below = Object.keys(message.reactions).length > 0 || message.replies > 0
  const extras = [first && 30, day && 42, unread && 42, message.reply_to !== undefined && 26, below && 32]
  return extras.reduce<number>((sum, extra) => sum + (extra || 0), 8 + 24 * lines + 84 * message.unfurls.length)
}
