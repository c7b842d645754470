// Reads what the hub says. Total on input: a text is a frame, something unknown (to be ignored), or broken.
// Unknown fields pass through untouched.

import type { OpenEvent, ServerFrame } from './frames.js'
import { absent, count, epoch, type Guard, isFields, list, optional, place, range, text } from './guard.js'

/** What a text from the hub is. */
export type Decoded<F = ServerFrame> =
  | { is: 'frame'; frame: F }
  | { is: 'unknown'; type: string }
  | { is: 'broken'; why: string }

const outcome: Guard = (f) => {
  if (f.outcome === 'fresh') return place(f) && ((absent(f.from) && absent(f.to)) || (epoch(f.epoch) && range(f)))
  if (f.outcome === 'continued') return epoch(f.epoch) && count(f.offset) && range(f)
  return f.outcome === 'gap' && epoch(f.epoch) && count(f.offset) && range(f) && text(f.reason)
}
const result: Guard = (f) => text(f.channel) && (text(f.error) || outcome(f))
const message: Guard = (f) =>
  text(f.channel) && text(f.id) && place(f) && count(f.time) && 'data' in f &&
  optional(text)(f.from) && optional(text)(f.key) && optional(text)(f.conflate_key)
const history: Guard = (f) => epoch(f.epoch) && count(f.first) && count(f.last) && typeof f.more === 'boolean' && list(message)(f.messages)
const snapshot: Guard = (f) =>
  count(f.version) && count(f.count) && list((u) => text(u.user) && count(u.connections))(f.users) && optional(text)(f.next)

const reply: Guard = (f) => {
  if (isFields(f.history)) return history(f.history)
  if (isFields(f.presence)) return snapshot(f.presence)
  return isFields(f.result) || count(f.expires_at)
}

const SERVER: Record<ServerFrame['type'], Guard> = {
  connected: (f) =>
    text(f.session) && text(f.node) && text(f.user) && count(f.heartbeat_ms) && count(f.expires_at) && list(result)(f.subscriptions),
  subscribed: (f) => count(f.id) && text(f.channel) && outcome(f),
  unsubscribed: (f) => text(f.channel) && optional(count)(f.id) && optional(text)(f.code),
  ack: (f) => count(f.id) && text(f.message) && place(f) && count(f.time) && (f.scope === undefined || f.scope === 'node'),
  reply: (f) => count(f.id) && reply(f),
  message,
  gap: (f) => text(f.channel) && epoch(f.epoch) && range(f) && text(f.reason),
  skipped: (f) => text(f.channel) && count(f.count),
  presence: (f) => text(f.channel) && count(f.version) && (f.event === 'join' || f.event === 'leave') && text(f.user),
  presence_count: (f) => text(f.channel) && count(f.version) && count(f.count),
  error: (f) => optional(count)(f.id) && text(f.code) && text(f.message) && (f.retry_after_ms === null || optional(count)(f.retry_after_ms)),
  ping: () => true,
  expiring: (f) => count(f.expires_at),
  drain: (f) => count(f.within_ms),
}

const OPEN: Record<OpenEvent['type'], Guard> = { open: (f) => list(result)(f.subscriptions) }

/** Reads a frame of a WebSocket. */
export function decode(input: string): Decoded {
  return decodeBy<ServerFrame>(SERVER, input)
}

/** Reads the data of an event of an SSE stream. */
export function decodeEvent(input: string): Decoded<ServerFrame | OpenEvent> {
  return decodeBy<ServerFrame | OpenEvent>({ ...SERVER, ...OPEN }, input)
}

function decodeBy<F>(guards: Record<string, Guard>, input: string): Decoded<F> {
  const value = parse(input)
  if (!isFields(value) || typeof value.type !== 'string') return { is: 'broken', why: 'not a JSON object with a `type`' }
  const guard = Object.hasOwn(guards, value.type) ? guards[value.type] : undefined
  if (guard === undefined) return { is: 'unknown', type: value.type }
  if (!guard(value)) return { is: 'broken', why: `a \`${value.type}\` frame with missing or wrong fields` }
  // The guard has looked at every field that the type names.
  return { is: 'frame', frame: value as F }
}

function parse(input: string): unknown {
  try {
    return JSON.parse(input) as unknown
  } catch {
    return undefined
  }
}
