// One subscriber of a channel among several: where it begins, and what an attach of the shared subscription means
// for it. Pure.

import type { Gap, GapReason, Message, Outcome, Position, PresenceChange, PresenceCount, Skipped } from '../protocol/frames.js'
import type { HubError } from '../errors.js'
import type { Begin, Wants } from '../protocol/encode.js'
import { startOf } from './cursor.js'

/** What a member hears. */
export interface MemberListener {
  message(message: Message): void
  outcome(outcome: Outcome): void
  gap(gap: Gap): void
  skipped(skipped: Skipped): void
  presence(change: PresenceChange): void
  presenceCount(count: PresenceCount): void
  ended(error: HubError | null): void
}

/** A subscriber. Until it has begun it hears nothing. */
export interface Member {
  readonly begin: Begin
  readonly wants: Wants
  readonly listener: MemberListener
  begun: boolean
  /** The last position it has seen. */
  position: Position | undefined
}

/** What an attach means for one member; undefined when the stream begins too late for it. */
export interface Start {
  position: Position | undefined
  outcome: Outcome
}

/** What the attach that was asked for with `asked` means for a member that had begun before. */
export function goOn(member: Member, outcome: Outcome): Start {
  const start = startOf(outcome)
  const { position } = member
  if (start === undefined || position === undefined) return { position: start, outcome }
  const head = outcome.offset ?? start.offset
  // The offsets of two epochs can not be compared; what continues over a change of epoch keeps its number.
  if (outcome.outcome === 'gap' && position.epoch !== start.epoch) return { position: start, outcome }
  // A hub that keeps to the protocol never says anything but `gap` for a stream that begins behind a hole.
  if (position.offset < start.offset) return gone(start.epoch, head, position.offset + 1, start.offset, reasonIn(outcome))
  return { position: { epoch: start.epoch, offset: position.offset }, outcome: continued(start.epoch, head, position.offset) }
}

/** What an attach means for a member that has not begun. */
export function beginWith(member: Member, asked: Begin, outcome: Outcome): Start | undefined {
  const start = startOf(outcome)
  if (start === undefined) return { position: undefined, outcome }
  const { since, rewind } = member.begin
  const head = Math.max(outcome.offset ?? 0, start.offset)
  if (since !== undefined) return beginSince(since, asked, outcome, start, head)
  if (rewind !== undefined) return beginRewound(rewind, asked, outcome, start, head)
  const position = { epoch: start.epoch, offset: head }
  return { position, outcome: { outcome: 'fresh', ...position } }
}

function beginSince(since: Position, asked: Begin, outcome: Outcome, start: Position, head: number): Start | undefined {
  const exact = asked.since?.epoch === since.epoch && asked.since.offset === since.offset
  if (exact) return { position: start, outcome }
  if (since.epoch !== start.epoch) return undefined
  if (since.offset >= start.offset) {
    return { position: since, outcome: continued(start.epoch, head, since.offset) }
  }
  const askedFor = asked.since?.epoch === since.epoch && asked.since.offset <= since.offset
  if (outcome.outcome !== 'gap' && !askedFor) return undefined
  return gone(start.epoch, head, since.offset + 1, start.offset, reasonIn(outcome))
}

function beginRewound(rewind: number, asked: Begin, outcome: Outcome, start: Position, head: number): Start | undefined {
  const wanted = Math.max(0, head - rewind)
  // Nothing older is kept: the log was asked for as much, or says that it is gone.
  const askedFor = asked.since === undefined ? (asked.rewind ?? 0) >= rewind : asked.since.offset <= wanted
  const oldest = outcome.outcome === 'gap' || askedFor
  if (wanted < start.offset && !oldest) return undefined
  const offset = Math.max(wanted, start.offset)
  const replay = offset < head ? { from: offset + 1, to: head } : {}
  return { position: { epoch: start.epoch, offset }, outcome: { outcome: 'fresh', epoch: start.epoch, offset: head, ...replay } }
}

function continued(epoch: string, head: number, offset: number): Outcome {
  return { outcome: 'continued', epoch, offset: Math.max(head, offset), from: offset + 1, to: Math.max(head, offset) }
}

function gone(epoch: string, head: number, from: number, to: number, reason: GapReason): Start {
  return { position: { epoch, offset: to }, outcome: { outcome: 'gap', epoch, offset: head, from, to, reason } }
}

function reasonIn(outcome: Outcome): GapReason {
  return outcome.outcome === 'gap' ? outcome.reason : 'lost'
}
