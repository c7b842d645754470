// The life of the connection, row by row: what was, what happened, what is, and what is to be done.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Connection, defaultRules, type Effect, type Happening, type Rules, step } from '../src/connection/machine.js'
import { HubError } from '../src/errors.js'

const rules: Rules = { ...defaultRules, backoff: { firstMs: 500, maxMs: 20_000 }, renewable: true }
const fixed: Rules = { ...rules, renewable: false }
const fault = new HubError('network', 'x')

const busy = new HubError('overloaded', 'x', { retryAfterMs: 3_000 })

const idle: Connection = { is: 'idle' }
const at = (stage: 'token' | 'socket' | 'handshake', failures = 0, refusal?: HubError): Connection =>
  ({ is: 'connecting', step: stage, failures, ...(refusal && { refusal }) })
const connected = (failures = 0): Connection => ({ is: 'connected', failures })
const waiting = (failures = 1): Connection => ({ is: 'waiting', failures, why: fault })

/** Effects in one line each. */
const brief = (effect: Effect): string => {
  if (effect.do === 'alarm') return `alarm ${effect.alarm} ${effect.minMs}-${effect.maxMs}`
  if (effect.do === 'cancel') return `cancel ${effect.alarm}`
  if (effect.do === 'tell_error') return `error ${effect.error.code}`
  if (effect.do === 'tell_drain') return `drain ${effect.withinMs}`
  return effect.do
}
const briefState = (state: Connection): string => {
  if (state.is === 'connecting') return `connecting/${state.step} ${state.failures}`
  if (state.is === 'waiting') return `waiting ${state.failures} ${state.why.code}`
  if (state.is === 'closed') return `closed ${state.why?.code ?? 'here'}`
  return state.is === 'connected' ? `connected ${state.failures}` : state.is
}

type Row = [name: string, from: Connection, happening: Happening, to: string, effects: string[], rules?: Rules]

const ring = (alarm: Extract<Happening, { what: 'rang' }>['alarm']): Happening => ({ what: 'rang', alarm })
const close = (code: number): Happening => ({ what: 'closed', code, reason: '' })
const fail = (error: HubError): Happening => ({ what: 'token_failed', error })
const GET = ['alarm token 30000-30000', 'fetch_token']

const rows: Row[] = [
  ['the first call connects', idle, { what: 'start' }, 'connecting/token 0', GET],
  ['further calls change nothing', at('token'), { what: 'start' }, 'connecting/token 0', []],
  ['a token opens the socket', at('token'), { what: 'token' }, 'connecting/socket 0', ['cancel token', 'alarm handshake 10000-10000', 'open_socket']],
  ['an open socket says connect', at('socket'), { what: 'opened' }, 'connecting/handshake 0', ['send_connect']],
  ['the answer opens the session', at('handshake', 3), { what: 'connected', heartbeatMs: 25_000 }, 'connected 3',
    ['cancel handshake', 'alarm silence 40500-40500', 'alarm stable 10000-10000', 'greet']],
  ['an answer before the question is nothing', at('socket'), { what: 'connected', heartbeatMs: 1 }, 'connecting/socket 0', []],
  ['a connection that lived is a good one', connected(5), ring('stable'), 'connected 0', []],

  ['no token: said, and tried again', at('token'), fail(new HubError('token_failed', 'x')), 'waiting 1 token_failed', ['error token_failed', 'drop', 'alarm retry 0-500']],
  ['a slow token', at('token'), ring('token'), 'waiting 1 timeout', ['drop', 'alarm retry 0-500']],
  ['a slow handshake', at('handshake', 2), ring('handshake'), 'waiting 3 timeout', ['drop', 'alarm retry 0-2000']],
  ['refused: waits as long as told, then jitters', at('handshake', 1, busy), close(4003), 'waiting 2 overloaded', ['error overloaded', 'drop', 'alarm retry 3000-4000']],

  ['a lost connection', connected(), close(1006), 'waiting 1 network', ['drop', 'alarm retry 0-500']],
  ['the bound of the wait', connected(40), close(1006), 'waiting 41 network', ['drop', 'alarm retry 0-20000']],
  ['too slow: resume', connected(), close(4001), 'waiting 1 network', ['drop', 'alarm retry 0-500']],
  ['silence', connected(), ring('silence'), 'waiting 1 timeout', ['drop', 'alarm retry 0-500']],
  ['a probe without an answer', connected(), ring('probe'), 'waiting 1 timeout', ['drop', 'alarm retry 0-500']],
  ['a broken protocol: said, and begun again', connected(), { what: 'violated', error: new HubError('protocol', 'x') }, 'waiting 1 protocol', ['error protocol', 'drop', 'alarm retry 0-500']],
  ['the wait is over', waiting(3), ring('retry'), 'connecting/token 3', ['cancel retry', ...GET]],
  ['the network is back', waiting(3), { what: 'wake' }, 'connecting/token 3', ['cancel retry', ...GET]],
  ['awake with a connection: does it live?', connected(), { what: 'wake' }, 'connected 0', ['probe', 'alarm probe 5000-5000']],

  ...[4500, 4501, 4502, 4503].map((code, index): Row => {
    const reason = ['bad_request', 'unauthorized', 'revoked', 'disconnected'][index]
    return [`${code} is final`, connected(), close(code), `closed ${reason}`, ['drop', `error ${reason}`]]
  }),
  ['final while connecting too', at('handshake'), close(4501), 'closed unauthorized', ['drop', 'error unauthorized']],
  ['5000 is nobody\'s code', connected(), close(5000), 'waiting 1 network', ['drop', 'alarm retry 0-500']],
  ['an expired token is forgotten', connected(), close(4005), 'waiting 1 token_expired', ['forget_token', 'drop', 'alarm retry 0-500']],
  ['a fixed one can not be renewed', connected(), close(4005), 'closed token_expired', ['drop', 'error token_expired'], fixed],

  ['expiring: gets a new one', connected(), { what: 'expiring' }, 'connected 0', ['forget_token', 'fetch_token', 'alarm token 30000-30000']],
  ['expiring, but fixed', connected(), { what: 'expiring' }, 'connected 0', ['error token_expired'], fixed],
  ['brings it', connected(), { what: 'token' }, 'connected 0', ['cancel token', 'send_refresh']],
  ['could not get it: again soon', connected(), fail(fault), 'connected 0', ['error network', 'alarm refresh 1000-5000']],
  ['soon is now', connected(), ring('refresh'), 'connected 0', ['fetch_token', 'alarm token 30000-30000']],
  ['the hub could not take it now', connected(), { what: 'refresh_failed', temporary: true, error: new HubError('unavailable', 'x', { retryAfterMs: 2_000 }) }, 'connected 0', ['error unavailable', 'alarm refresh 2000-6000']],
  ['the hub will not take it', connected(), { what: 'refresh_failed', temporary: false, error: new HubError('unauthorized', 'x') }, 'connected 0', ['forget_token', 'error unauthorized']],

  ['drain: at a random time', connected(), { what: 'draining', withinMs: 8_000 }, 'connected 0', ['drain 8000', 'alarm drain 0-8000']],
  ['the time has come', connected(2), ring('drain'), 'connecting/token 0', ['drop', ...GET]],

  ['stopped while connected', connected(), { what: 'stop' }, 'closed here', ['drop']],
  ['stopped while waiting', waiting(), { what: 'stop' }, 'closed here', ['drop']],
  ['closed is the end', { is: 'closed', why: null }, { what: 'start' }, 'closed here', []],
  ['whatever rings', { is: 'closed', why: null }, ring('retry'), 'closed here', []],
]

describe('the connection', () => {
  for (const [name, from, happening, to, effects, given = rules] of rows) {
    test(name, () => {
      const { next, effects: done } = step(from, happening, given)
      assert.equal(briefState(next), to)
      assert.deepEqual(done.map(brief), effects)
    })
  }

  test('a refusal while connecting is kept for the close behind it, and told once', () => {
    const { next, effects } = step(at('handshake', 1), { what: 'refused', error: busy }, rules)
    assert.deepEqual(next, at('handshake', 1, busy))
    assert.deepEqual(effects, [])
    const end = step(at('handshake', 1, new HubError('unauthorized', 'the signature is wrong')), close(4501), rules)
    assert.match(end.next.is === 'closed' ? (end.next.why?.message ?? '') : '', /the signature is wrong/)
    assert.deepEqual(end.effects.map(brief), ['drop', 'error unauthorized'])
  })
})
