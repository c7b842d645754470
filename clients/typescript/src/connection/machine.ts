// The life of the connection as a pure function: what happened and what was, to what is and what to do. Knows no
// socket, no clock and no dice; ./link.ts does what this says.

import { type Backoff, type Between, backoff } from '../backoff.js'
import { HubError } from '../errors.js'
import { CLOSE, errorOfClose, isFinalClose } from '../protocol/codes.js'

/** Where the connection is. `failures` counts attempts in a row that did not last. */
export type Connection =
  | { is: 'idle' }
  | { is: 'connecting'; step: 'token' | 'socket' | 'handshake'; failures: number; refusal?: HubError }
  | { is: 'connected'; failures: number }
  | { is: 'waiting'; failures: number; why: HubError }
  | { is: 'closed'; why: HubError | null }

export type AlarmName = 'token' | 'handshake' | 'retry' | 'silence' | 'probe' | 'stable' | 'drain' | 'refresh'

export type Happening =
  /** Somebody wants a connection. */
  | { what: 'start' }
  | { what: 'token' }
  | { what: 'token_failed'; error: HubError }
  | { what: 'opened' }
  /** The hub answered the connect frame. */
  | { what: 'connected'; heartbeatMs: number }
  /** The hub said why it will not have us (a close follows). */
  | { what: 'refused'; error: HubError }
  | { what: 'closed'; code: number; reason: string }
  | { what: 'rang'; alarm: AlarmName }
  | { what: 'expiring' }
  | { what: 'refresh_failed'; error: HubError; temporary: boolean }
  | { what: 'draining'; withinMs: number }
  /** The page woke up or the network came back. */
  | { what: 'wake' }
  /** The hub broke the protocol: begin again from the positions. */
  | { what: 'violated'; error: HubError }
  | { what: 'stop' }

export type Effect =
  | { do: 'fetch_token' }
  | { do: 'forget_token' }
  | { do: 'open_socket' }
  | { do: 'send_connect' }
  | { do: 'send_refresh' }
  /** The session is open: take up subscriptions and requests. */
  | { do: 'greet' }
  /** Send something that must be answered. */
  | { do: 'probe' }
  /** Forget socket, alarms and a token on its way: nothing of this attempt may speak again. */
  | { do: 'drop' }
  | ({ do: 'alarm'; alarm: AlarmName } & Between)
  | { do: 'cancel'; alarm: AlarmName }
  | { do: 'tell_drain'; withinMs: number }
  | { do: 'tell_error'; error: HubError }

export interface Rules {
  backoff: Backoff
  /** Whether a new token can be had. */
  renewable: boolean
  tokenMs: number
  handshakeMs: number
  /** A connection that lived so long was a good one. */
  stableMs: number
  /** Added to one and a half heartbeats before the hub counts as dead. */
  slackMs: number
  probeMs: number
}

export const defaultRules: Omit<Rules, 'backoff' | 'renewable'> = {
  tokenMs: 30_000, handshakeMs: 10_000, stableMs: 10_000, slackMs: 3_000, probeMs: 5_000,
}

export interface Step {
  next: Connection
  effects: Effect[]
}

/** Silence after which the hub counts as dead: it pings each `heartbeatMs`. */
export function silenceMs(heartbeatMs: number, rules: Rules): number {
  return heartbeatMs * 1.5 + rules.slackMs
}

/** What follows when `happening` meets `now`. What makes no sense there changes nothing. */
export function step(now: Connection, happening: Happening, rules: Rules): Step {
  if (now.is === 'closed') return stay(now)
  if (happening.what === 'stop') return { next: { is: 'closed', why: null }, effects: [{ do: 'drop' }] }
  switch (now.is) {
    case 'idle':
      return happening.what === 'start' ? begin(0, rules) : stay(now)
    case 'waiting':
      return whileWaiting(now, happening, rules)
    case 'connecting':
      return whileConnecting(now, happening, rules)
    case 'connected':
      return whileConnected(now, happening, rules)
  }
}

type Connecting = Extract<Connection, { is: 'connecting' }>
type Connected = Extract<Connection, { is: 'connected' }>
type Waiting = Extract<Connection, { is: 'waiting' }>

function whileWaiting(now: Waiting, happening: Happening, rules: Rules): Step {
  const retry = happening.what === 'rang' && happening.alarm === 'retry'
  if (!retry && happening.what !== 'wake') return stay(now)
  return begin(now.failures, rules, [{ do: 'cancel', alarm: 'retry' }])
}

function whileConnecting(now: Connecting, happening: Happening, rules: Rules): Step {
  switch (happening.what) {
    case 'token':
      if (now.step !== 'token') return stay(now)
      return {
        next: { ...now, step: 'socket' },
        effects: [{ do: 'cancel', alarm: 'token' }, after('handshake', rules.handshakeMs), { do: 'open_socket' }],
      }
    case 'token_failed':
      return retryLater(now, happening.error, rules, [{ do: 'tell_error', error: happening.error }])
    case 'opened':
      return now.step === 'socket' ? { next: { ...now, step: 'handshake' }, effects: [{ do: 'send_connect' }] } : stay(now)
    case 'connected':
      return now.step === 'handshake' ? connected(now, happening.heartbeatMs, rules) : stay(now)
    case 'refused':
      return stay({ ...now, refusal: happening.error })
    case 'closed':
      return closed(now, happening.code, happening.reason, rules)
    case 'violated':
      return retryLater(now, happening.error, rules, [{ do: 'tell_error', error: happening.error }])
    case 'rang':
      if (happening.alarm === 'token') return retryLater(now, new HubError('timeout', 'the token provider did not answer'), rules)
      if (happening.alarm !== 'handshake') return stay(now)
      return retryLater(now, new HubError('timeout', 'the hub did not answer the connection in time'), rules)
    default:
      return stay(now)
  }
}

function connected(now: Connecting, heartbeatMs: number, rules: Rules): Step {
  return {
    next: { is: 'connected', failures: now.failures },
    effects: [
      { do: 'cancel', alarm: 'handshake' },
      after('silence', silenceMs(heartbeatMs, rules)),
      after('stable', rules.stableMs),
      { do: 'greet' },
    ],
  }
}

function whileConnected(now: Connected, happening: Happening, rules: Rules): Step {
  switch (happening.what) {
    case 'closed':
      return closed(now, happening.code, happening.reason, rules)
    case 'violated':
      return retryLater(now, happening.error, rules, [{ do: 'tell_error', error: happening.error }])
    case 'expiring':
      return expiring(now, rules)
    case 'token':
      return { next: now, effects: [{ do: 'cancel', alarm: 'token' }, { do: 'send_refresh' }] }
    case 'token_failed':
      return refreshLater(now, happening.error)
    case 'refresh_failed':
      if (happening.temporary) return refreshLater(now, happening.error)
      return { next: now, effects: [{ do: 'forget_token' }, { do: 'tell_error', error: happening.error }] }
    case 'draining':
      return {
        next: now,
        effects: [
          { do: 'tell_drain', withinMs: happening.withinMs },
          { do: 'alarm', alarm: 'drain', minMs: 0, maxMs: happening.withinMs },
        ],
      }
    case 'wake':
      return { next: now, effects: [{ do: 'probe' }, after('probe', rules.probeMs)] }
    case 'rang':
      return rangWhileConnected(now, happening.alarm, rules)
    default:
      return stay(now)
  }
}

function rangWhileConnected(now: Connected, alarm: AlarmName, rules: Rules): Step {
  switch (alarm) {
    case 'stable':
      return stay({ ...now, failures: 0 })
    case 'drain':
      return begin(0, rules, [{ do: 'drop' }])
    case 'silence':
    case 'probe':
      return retryLater(now, new HubError('timeout', 'nothing was heard of the hub for too long'), rules)
    case 'refresh':
      return { next: now, effects: [{ do: 'fetch_token' }, after('token', rules.tokenMs)] }
    case 'token':
      return refreshLater(now, new HubError('timeout', 'the token provider did not answer'))
    default:
      return stay(now)
  }
}

function expiring(now: Connected, rules: Rules): Step {
  if (rules.renewable) {
    return { next: now, effects: [{ do: 'forget_token' }, { do: 'fetch_token' }, after('token', rules.tokenMs)] }
  }
  const error = new HubError('token_expired', 'the token expires soon and is a fixed text; give a function to renew it')
  return { next: now, effects: [{ do: 'tell_error', error }] }
}

/** A new token could not be had or brought: the connection still stands, so there is time to try again. */
function refreshLater(now: Connected, error: HubError): Step {
  const minMs = error.retryAfterMs ?? 1_000
  return {
    next: now,
    effects: [{ do: 'tell_error', error }, { do: 'alarm', alarm: 'refresh', minMs, maxMs: minMs + 4_000 }],
  }
}

/** The socket closed: for good, or until the next attempt. What the hub said before says more than the code. */
function closed(now: Connecting | Connected, code: number, reason: string, rules: Rules): Step {
  const refusal = now.is === 'connecting' ? now.refusal : undefined
  if (isFinalClose(code)) {
    return giveUp(new HubError(errorOfClose(code), `the hub closed the connection for good: ${refusal?.message ?? (reason || code)}`))
  }
  if (code !== CLOSE.tokenExpired) {
    const why = refusal ?? new HubError('network', `the connection was closed: ${reason || code}`)
    return retryLater(now, why, rules, refusal === undefined ? [] : [{ do: 'tell_error', error: refusal }])
  }
  const expired = new HubError('token_expired', 'the token has expired')
  if (!rules.renewable) return giveUp(expired)
  return retryLater(now, expired, rules, [{ do: 'forget_token' }])
}

function giveUp(why: HubError): Step {
  return { next: { is: 'closed', why }, effects: [{ do: 'drop' }, { do: 'tell_error', error: why }] }
}

/** Waits at least as long as the hub asked for. */
function retryLater(now: Connecting | Connected, why: HubError, rules: Rules, first: Effect[] = []): Step {
  const wait = backoff(now.failures, why.retryAfterMs ?? 0, rules.backoff)
  return {
    next: { is: 'waiting', failures: now.failures + 1, why },
    effects: [...first, { do: 'drop' }, { do: 'alarm', alarm: 'retry', ...wait }],
  }
}

function begin(failures: number, rules: Rules, first: Effect[] = []): Step {
  return {
    next: { is: 'connecting', step: 'token', failures },
    effects: [...first, after('token', rules.tokenMs), { do: 'fetch_token' }],
  }
}

function stay(next: Connection): Step {
  return { next, effects: [] }
}

function after(alarm: AlarmName, ms: number): Effect {
  return { do: 'alarm', alarm, minMs: ms, maxMs: ms }
}
