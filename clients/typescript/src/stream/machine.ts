// The life of an SSE stream as a pure function. Reconnecting is done here and not left to the browser, so that the
// wait is jittered, tickets are renewed and the stream goes on behind the last message that was really handed out.

import { type Backoff, type Between, backoff } from '../backoff.js'
import { HubError } from '../errors.js'

export type Streaming =
  | { is: 'idle' }
  | { is: 'connecting'; step: 'ticket' | 'opening' | 'asking'; failures: number; ticket: string | undefined }
  /** `young` until it has been open for a while; `expiring` when a new token is needed once it no longer is. */
  | { is: 'open'; failures: number; ticket: string | undefined; young: boolean; expiring: boolean }
  | { is: 'waiting'; failures: number; ticket: string | undefined; why: HubError }
  | { is: 'closed'; why: HubError | null }

export type StreamAlarm = 'answer' | 'retry' | 'stable' | 'drain'

/**
 * Why the hub does not open a stream, by what a plain request to the same address says. `renew`: the token behind the
 * ticket is over. `reticket`: the ticket alone is, because the node that signed it has started anew.
 */
export type Refusal = { verdict: 'again' | 'renew' | 'reticket' | 'final'; error: HubError }

export type StreamHappening =
  | { what: 'start' }
  | { what: 'ticket'; ticket: string }
  | ({ what: 'refused' } & Refusal)
  /** The first event came. */
  | { what: 'opened' }
  /** The browser says that the stream ended or could not be opened. */
  | { what: 'broke' }
  | { what: 'expiring' }
  | { what: 'draining'; withinMs: number }
  | { what: 'violated'; error: HubError }
  | { what: 'wake'; quietMs: number }
  | { what: 'rang'; alarm: StreamAlarm }
  | { what: 'stop' }

export type StreamEffect =
  | { do: 'fetch_ticket' }
  | { do: 'forget_token' }
  | { do: 'open_source'; ticket: string | undefined }
  /** Find out why it does not open: an EventSource does not say. */
  | { do: 'ask_why'; ticket: string | undefined }
  | { do: 'drop' }
  | ({ do: 'alarm'; alarm: StreamAlarm } & Between)
  | { do: 'cancel'; alarm: StreamAlarm }
  | { do: 'tell_drain'; withinMs: number }
  | { do: 'tell_error'; error: HubError }

export interface StreamRules {
  backoff: Backoff
  /** Whether the stream needs a ticket, and whether a new token can be had for another one. */
  token: 'none' | 'fixed' | 'renewable'
  answerMs: number
  stableMs: number
  /** So long without an event the stream is opened anew when the page wakes: its heartbeats can not be seen. */
  quietMs: number
}

export const streamRules = { answerMs: 15_000, stableMs: 10_000, quietMs: 60_000 }

export interface StreamStep {
  next: Streaming
  effects: StreamEffect[]
}

type Running = Extract<Streaming, { is: 'connecting' | 'open' }>

export function streamStep(now: Streaming, happening: StreamHappening, rules: StreamRules): StreamStep {
  if (now.is === 'closed') return stay(now)
  if (happening.what === 'stop') return { next: { is: 'closed', why: null }, effects: [{ do: 'drop' }] }
  switch (now.is) {
    case 'idle':
      return happening.what === 'start' ? begin(0, undefined, rules) : stay(now)
    case 'waiting':
      return happening.what === 'wake' || (happening.what === 'rang' && happening.alarm === 'retry')
        ? begin(now.failures, now.ticket, rules)
        : stay(now)
    case 'connecting':
      return whileConnecting(now, happening, rules)
    case 'open':
      return whileOpen(now, happening, rules)
  }
}

function whileConnecting(now: Extract<Streaming, { is: 'connecting' }>, happening: StreamHappening, rules: StreamRules): StreamStep {
  switch (happening.what) {
    case 'ticket':
      return now.step === 'ticket' ? open(now.failures, happening.ticket, rules) : stay(now)
    case 'opened':
      if (now.step !== 'opening') return stay(now)
      return {
        next: { is: 'open', failures: now.failures, ticket: now.ticket, young: true, expiring: false },
        effects: [{ do: 'cancel', alarm: 'answer' }, after('stable', rules.stableMs)],
      }
    case 'broke':
      if (now.step !== 'opening') return stay(now)
      return {
        next: { ...now, step: 'asking' },
        effects: [{ do: 'drop' }, after('answer', rules.answerMs), { do: 'ask_why', ticket: now.ticket }],
      }
    case 'refused':
      return refused(now, happening, rules)
    case 'violated':
      return retryLater(now, happening.error, rules, now.ticket, [{ do: 'tell_error', error: happening.error }])
    case 'rang':
      if (happening.alarm !== 'answer') return stay(now)
      return retryLater(now, new HubError('timeout', 'the hub did not answer in time'), rules, now.ticket)
    default:
      return stay(now)
  }
}

function whileOpen(now: Extract<Streaming, { is: 'open' }>, happening: StreamHappening, rules: StreamRules): StreamStep {
  switch (happening.what) {
    case 'broke':
      return retryLater(now, new HubError('network', 'the stream ended'), rules, now.ticket)
    case 'violated':
      return retryLater(now, happening.error, rules, now.ticket, [{ do: 'tell_error', error: happening.error }])
    case 'expiring':
      // The ticket dies with the token behind it. Fixed ones are used up to the last moment.
      if (rules.token !== 'renewable') return stay(now)
      // A token that lives shorter than the hub warns before is expiring from the start: that must not become a loop.
      return now.young ? stay({ ...now, expiring: true }) : renew(now, rules)
    case 'draining':
      return {
        next: now,
        effects: [
          { do: 'tell_drain', withinMs: happening.withinMs },
          { do: 'alarm', alarm: 'drain', minMs: 0, maxMs: happening.withinMs },
        ],
      }
    case 'wake':
      return happening.quietMs >= rules.quietMs ? begin(now.failures, now.ticket, rules) : stay(now)
    case 'rang':
      if (happening.alarm === 'drain') return begin(0, now.ticket, rules)
      if (happening.alarm !== 'stable') return stay(now)
      return now.expiring ? renew({ ...now, failures: 0 }, rules) : stay({ ...now, failures: 0, young: false })
    default:
      return stay(now)
  }
}

function refused(now: Running, { verdict, error }: Refusal, rules: StreamRules): StreamStep {
  const tell: StreamEffect = { do: 'tell_error', error }
  if (verdict === 'again') return retryLater(now, error, rules, now.ticket, error.code === 'network' ? [] : [tell])
  if (verdict === 'reticket') return retryLater(now, error, rules, undefined)
  if (verdict === 'renew' && rules.token === 'renewable') return retryLater(now, error, rules, undefined, [{ do: 'forget_token' }])
  return { next: { is: 'closed', why: error }, effects: [{ do: 'drop' }, tell] }
}

function renew(now: Extract<Streaming, { is: 'open' }>, rules: StreamRules): StreamStep {
  return begin(now.failures, undefined, rules, [{ do: 'forget_token' }])
}

function begin(failures: number, ticket: string | undefined, rules: StreamRules, first: StreamEffect[] = []): StreamStep {
  if (rules.token === 'none' || ticket !== undefined) return open(failures, ticket, rules, first)
  return {
    next: { is: 'connecting', step: 'ticket', failures, ticket },
    effects: [...first, { do: 'drop' }, after('answer', rules.answerMs), { do: 'fetch_ticket' }],
  }
}

function open(failures: number, ticket: string | undefined, rules: StreamRules, first: StreamEffect[] = []): StreamStep {
  return {
    next: { is: 'connecting', step: 'opening', failures, ticket },
    effects: [...first, { do: 'drop' }, after('answer', rules.answerMs), { do: 'open_source', ticket }],
  }
}

function retryLater(now: Running, why: HubError, rules: StreamRules, ticket: string | undefined, first: StreamEffect[] = []): StreamStep {
  return {
    next: { is: 'waiting', failures: now.failures + 1, ticket, why },
    effects: [...first, { do: 'drop' }, { do: 'alarm', alarm: 'retry', ...backoff(now.failures, why.retryAfterMs ?? 0, rules.backoff) }],
  }
}

function stay(next: Streaming): StreamStep {
  return { next, effects: [] }
}

function after(alarm: StreamAlarm, ms: number): StreamEffect {
  return { do: 'alarm', alarm, minMs: ms, maxMs: ms }
}
