// Goal: a stream goes on behind its last message whatever ends it, and says what it can not do. Method: the machine
// by tables; then a real HTTP server that speaks server-sent events as scripted.

import assert from 'node:assert/strict'
import { once as onceOf } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { EventSource } from 'eventsource'
import { HubError, type Message, Stream, type StreamOptions } from '../src/index.js'
import { type StreamEffect, type StreamHappening, type Streaming, streamRules, streamStep, type StreamRules } from '../src/stream/machine.js'
import { eventId } from '../src/stream/source.js'
import { ManualTimers, message, once, seeded, turn } from './support.js'

const rules: StreamRules = { ...streamRules, backoff: { firstMs: 500, maxMs: 20_000 }, token: 'renewable' }
const open_: StreamRules = { ...rules, token: 'none' }
const fixed: StreamRules = { ...rules, token: 'fixed' }

describe('the machine of a stream', () => {
  const brief = (effect: StreamEffect): string => {
    if (effect.do === 'alarm') return `alarm ${effect.alarm} ${effect.minMs}-${effect.maxMs}`
    if (effect.do === 'tell_error') return `error ${effect.error.code}`
    return 'ticket' in effect ? `${effect.do} ${effect.ticket ?? '-'}` : effect.do
  }
  const state = (now: Streaming): string => (now.is === 'connecting' ? now.step : now.is === 'closed' ? `closed ${now.why?.code ?? 'here'}` : now.is)
  const at = (stage: 'ticket' | 'opening' | 'asking', ticket?: string): Streaming => ({ is: 'connecting', step: stage, failures: 0, ticket })
  const on: Streaming = { is: 'open', failures: 0, ticket: 't', young: false, expiring: false }
  const young: Streaming = { ...on, failures: 2, young: true }
  const error = new HubError('unavailable', 'x', { retryAfterMs: 2_000 })
  const refused = (verdict: 'again' | 'renew' | 'reticket' | 'final'): StreamHappening => ({ what: 'refused', verdict, error })
  const rows: [name: string, from: Streaming, happening: StreamHappening, to: string, effects: string[], rules?: StreamRules][] = [
    ['public: opens at once', { is: 'idle' }, { what: 'start' }, 'opening', ['drop', 'alarm answer 15000-15000', 'open_source -'], open_],
    ['with a token: gets a ticket first', { is: 'idle' }, { what: 'start' }, 'ticket', ['drop', 'alarm answer 15000-15000', 'fetch_ticket']],
    ['and opens with it', at('ticket'), { what: 'ticket', ticket: 't' }, 'opening', ['drop', 'alarm answer 15000-15000', 'open_source t']],
    ['opened', at('opening', 't'), { what: 'opened' }, 'open', ['cancel', 'alarm stable 10000-10000']],
    ['ended: opens again with the same ticket', on, { what: 'broke' }, 'waiting', ['drop', 'alarm retry 0-500']],
    ['the wait is over', { is: 'waiting', failures: 1, ticket: 't', why: error }, { what: 'rang', alarm: 'retry' }, 'opening', ['drop', 'alarm answer 15000-15000', 'open_source t']],
    ['does not open: asks why', at('opening', 't'), { what: 'broke' }, 'asking', ['drop', 'alarm answer 15000-15000', 'ask_why t']],
    ['no answer at all', at('opening', 't'), { what: 'rang', alarm: 'answer' }, 'waiting', ['drop', 'alarm retry 0-500']],
    ['not now', at('asking', 't'), refused('again'), 'waiting', ['error unavailable', 'drop', 'alarm retry 2000-2500']],
    ['the ticket is dead: another one', at('asking', 't'), refused('renew'), 'waiting', ['forget_token', 'drop', 'alarm retry 2000-2500']],
    ['the ticket alone is dead: another one for the same token', at('asking', 't'), refused('reticket'), 'waiting', ['drop', 'alarm retry 2000-2500']],
    ['and then the wait begins with a ticket', { is: 'waiting', failures: 1, ticket: undefined, why: error }, { what: 'rang', alarm: 'retry' }, 'ticket', ['drop', 'alarm answer 15000-15000', 'fetch_ticket']],
    ['dead, and the token is fixed', at('asking', 't'), refused('renew'), 'closed unavailable', ['drop', 'error unavailable'], fixed],
    ['204 on a public stream', at('asking'), refused('renew'), 'closed unavailable', ['drop', 'error unavailable'], open_],
    ['never', at('asking'), refused('final'), 'closed unavailable', ['drop', 'error unavailable']],
    ['expiring: a new ticket', on, { what: 'expiring' }, 'ticket', ['forget_token', 'drop', 'alarm answer 15000-15000', 'fetch_ticket']],
    ['expiring and fixed: used up', on, { what: 'expiring' }, 'open', [], fixed],
    ['expiring from the start: not at once', young, { what: 'expiring' }, 'open', []],
    ['but when it has been open for a while', { ...young, expiring: true }, { what: 'rang', alarm: 'stable' }, 'ticket', ['forget_token', 'drop', 'alarm answer 15000-15000', 'fetch_ticket']],
    ['drain', on, { what: 'draining', withinMs: 4_000 }, 'open', ['tell_drain', 'alarm drain 0-4000']],
    ['the time has come', on, { what: 'rang', alarm: 'drain' }, 'opening', ['drop', 'alarm answer 15000-15000', 'open_source t']],
    ['awake after a long silence', on, { what: 'wake', quietMs: 60_000 }, 'opening', ['drop', 'alarm answer 15000-15000', 'open_source t']],
    ['awake, heard of just now', on, { what: 'wake', quietMs: 59_999 }, 'open', []],
    ['a hole', on, { what: 'violated', error }, 'waiting', ['error unavailable', 'drop', 'alarm retry 2000-2500']],
    ['stopped', on, { what: 'stop' }, 'closed here', ['drop']],
  ]
  for (const [name, from, happening, to, effects, given = rules] of rows) {
    test(name, () => {
      const { next, effects: done } = streamStep(from, happening, given)
      assert.equal(state(next), to)
      assert.deepEqual(done.map(brief), effects)
    })
  }
})

test('event ids are the positions in the order of the URL', () => {
  assert.equal(eventId([{ epoch: '3k9x', offset: 7 }, undefined, { epoch: 'a', offset: 2 ** 53 - 1 }]), '3k9x.7,-,a.2gosa7pa2gv')
})

/** A server that hands each request to the script. */
class StreamServer {
  readonly server: Server
  readonly #requests: { url: URL; request: IncomingMessage; response: ServerResponse }[] = []
  #waiters: (() => void)[] = []

  constructor() {
    this.server = createServer((request, response) => {
      this.#requests.push({ url: new URL(request.url ?? '', 'http://x'), request, response })
      for (const waiter of this.#waiters.splice(0)) waiter()
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  get waiting(): number {
    return this.#requests.length
  }

  async next(): Promise<{ url: URL; request: IncomingMessage; response: ServerResponse }> {
    for (;;) {
      const next = this.#requests.shift()
      if (next !== undefined) return next
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
    }
  }

  /** Opens the next stream and says where it begins. */
  async open(...subscriptions: object[]): Promise<{ url: URL; response: ServerResponse }> {
    const { url, response } = await this.next()
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    say(response, { type: 'open', subscriptions })
    return { url, response }
  }
}

const say = (response: ServerResponse, frame: { type?: string; [field: string]: unknown }): void => {
  const name = frame.type === 'message' ? '' : `event: ${frame.type}\n`
  response.write(`${name}data: ${JSON.stringify(frame)}\n\n`)
}

async function onStage(run: (server: StreamServer, stream: (options?: Partial<StreamOptions>) => Stream) => Promise<void>): Promise<void> {
  const server = new StreamServer()
  server.server.listen(0, '127.0.0.1')
  await onceOf(server.server, 'listening')
  const streams: Stream[] = []
  try {
    await run(server, (options) => {
      const stream = new Stream({ url: server.url, channels: ['chat:a'], EventSource: EventSource as never, random: () => 0, ...options })
      streams.push(stream)
      return stream
    })
  } finally {
    for (const stream of streams) stream.close()
    await turn()
    server.server.closeAllConnections()
    server.server.close()
    await onceOf(server.server, 'close')
  }
}

function listOf(stream: Stream): { list: (number | undefined)[]; reached(offset: number): Promise<void> } {
  const list: (number | undefined)[] = []
  const waiters: (() => void)[] = []
  stream.on('message', (m: Message) => {
    list.push(m.offset)
    for (const waiter of waiters.splice(0)) waiter()
  })
  return {
    list,
    reached: async (offset) => {
      while (!list.includes(offset)) await new Promise<void>((resolve) => waiters.push(resolve))
    },
  }
}

const starts = (offset: number): object => ({ channel: 'chat:a', outcome: 'fresh', epoch: 'e1', offset })

describe('a stream', () => {
  test('asks as told, and tells where it begins, messages, gaps and what was skipped', () => onStage(async (server, make) => {
    const stream = make({ channels: ['chat:a', 'chat:b'], rewind: 3, maxRate: 5, affinity: false })
    const got = listOf(stream)
    const told: unknown[] = []
    stream.on('gap', (gap) => told.push(gap))
    stream.on('skipped', (skipped) => told.push(skipped))
    const opened = once(stream, 'open')
    const { url, response } = await server.open(starts(3), { channel: 'chat:b', outcome: 'fresh' })
    assert.equal(`${url.pathname}${url.search}`, '/sse?channel=chat%3Aa&channel=chat%3Ab&rewind=3&max_rate=5')
    assert.deepEqual(await opened, [[starts(3), { channel: 'chat:b', outcome: 'fresh' }]])
    assert.equal(stream.state, 'open')
    say(response, message(4))
    say(response, { type: 'gap', channel: 'chat:a', epoch: 'e1', from: 5, to: 6, reason: 'expired' })
    say(response, { type: 'skipped', channel: 'chat:a', count: 2 })
    say(response, message(9))
    await got.reached(9)
    assert.deepEqual(got.list, [4, 9])
    assert.deepEqual(stream.position('chat:a'), { epoch: 'e1', offset: 9 })
    assert.equal(stream.position('chat:b'), undefined)
    assert.equal(told.length, 2)
  }))

  test('goes on behind the last message when it ends, and drops what it has seen', () => onStage(async (server, make) => {
    const stream = make()
    const got = listOf(stream)
    const first = await server.open(starts(34))
    say(first.response, message(35))
    say(first.response, message(36))
    await got.reached(36)
    first.response.end()
    const second = await server.open({ channel: 'chat:a', outcome: 'continued', epoch: 'e1', offset: 37, from: 37, to: 37 })
    assert.equal(second.url.searchParams.get('last_event_id'), 'e1.10')
    say(second.response, message(36))
    say(second.response, message(37))
    await got.reached(37)
    assert.deepEqual(got.list, [35, 36, 37])
    assert.equal(stream.duplicates, 1)
  }))

  test('one affinity leads the ticket, the stream and each reconnect to the same node', () => onStage(async (server, make) => {
    const stream = make({ token: 't1' })
    const asked = await server.next()
    const name = asked.url.searchParams.get('affinity')
    assert.match(String(name), /^[0-9a-z]{24}$/)
    asked.response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ ticket: 'k', expires_at: 1 }))
    const first = await server.open(starts(5))
    await once(stream, 'open')
    first.response.end()
    const second = await server.open(starts(5))
    assert.deepEqual([first, second].map(({ url }) => url.searchParams.get('affinity')), [name, name])
  }))

  test('an affinity that was given is sent as it is', () => onStage(async (server, make) => {
    make({ affinity: 'a name' })
    assert.equal((await server.open(starts(5))).url.searchParams.get('affinity'), 'a name')
  }))

  test('a hole that nobody announced: opens again from before it', () => onStage(async (server, make) => {
    const stream = make()
    const got = listOf(stream)
    const errors: string[] = []
    stream.on('error', (error) => errors.push(error.code))
    const first = await server.open(starts(1))
    say(first.response, message(3))
    const second = await server.open({ channel: 'chat:a', outcome: 'gap', epoch: 'e1', offset: 3, from: 2, to: 2, reason: 'lost' })
    assert.equal(second.url.searchParams.get('last_event_id'), 'e1.1')
    say(second.response, message(3))
    await got.reached(3)
    assert.deepEqual([got.list, errors], [[3], ['protocol']])
  }))

  test('with a token it gets a ticket, and another one when that is dead', () => onStage(async (server, make) => {
    let count = 0
    const stream = make({ token: async () => `t${++count}` })
    const grant = async (): Promise<string> => {
      const { url, request, response } = await server.next()
      let body = ''
      for await (const chunk of request) body += String(chunk)
      assert.deepEqual([request.method, url.pathname, JSON.parse(body)], ['POST', '/v1/tickets', { channels: ['chat:a'] }])
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ ticket: `k${count}`, expires_at: 1 }))
      return String(request.headers.authorization)
    }
    assert.equal(await grant(), 'Bearer t1')
    const first = await server.open(starts(5))
    assert.equal(first.url.searchParams.get('ticket'), 'k1')
    await once(stream, 'open')
    first.response.end()
    // The browser's request and our own question why.
    ;(await server.next()).response.writeHead(204).end()
    ;(await server.next()).response.writeHead(204).end()
    assert.equal(await grant(), 'Bearer t2')
    const second = await server.open(starts(5))
    assert.deepEqual([second.url.searchParams.get('ticket'), second.url.searchParams.get('last_event_id')], ['k2', 'e1.5'])
  }))

  for (const [status, code] of [[403, 'forbidden'], [404, 'not_found'], [401, 'unauthorized']] as const) {
    test(`${status} is final and says why`, () => onStage(async (server, make) => {
      const stream = make()
      const failed = once(stream, 'error')
      for (let n = 0; n < 2; n++) {
        const { response } = await server.next()
        response.writeHead(status, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify({ code, detail: 'because' }))
      }
      const [error] = (await failed) as [HubError]
      assert.deepEqual([error.code, error.message], [code, 'because'])
      assert.equal(stream.state, 'closed')
    }))
  }

  test('503 waits as long as told', async () => {
    const timers = new ManualTimers()
    await onStage(async (server, make) => {
      const stream = make({ timers })
      const failed = once(stream, 'error')
      ;(await server.next()).response.writeHead(503).end()
      ;(await server.next()).response.writeHead(503, { 'Retry-After': '7' }).end('{}')
      assert.equal(((await failed)[0] as HubError).retryAfterMs, 7_000)
      assert.equal(timers.next, 7_000)
      timers.advance(7_000)
      await server.open(starts(1))
    })
  })

  test('a drain is told and followed within its window', async () => {
    const timers = new ManualTimers()
    await onStage(async (server, make) => {
      const stream = make({ timers, random: () => 0.5 })
      const { response } = await server.open(starts(1))
      const drained = once(stream, 'drain')
      say(response, { type: 'drain', within_ms: 4_000 })
      assert.deepEqual(await drained, [{ withinMs: 4_000 }])
      timers.advance(2_000)
      assert.equal((await server.open(starts(1))).url.searchParams.get('last_event_id'), 'e1.1')
    })
  })

  test('Streams of the same channels share one EventSource, and who comes late gets the last message', () => onStage(async (server) => {
    const before = globalThis.EventSource
    globalThis.EventSource = EventSource as never
    const options = { url: server.url, channels: ['chat:a'], random: seeded(3) }
    const one = new Stream(options)
    const two = new Stream(options)
    try {
      const lists = [listOf(one), listOf(two)]
      const { response } = await server.open(starts(1))
      say(response, message(2))
      await Promise.all(lists.map((list) => list.reached(2)))
      const three = new Stream(options)
      const opened = once(three, 'open')
      const late = listOf(three)
      assert.deepEqual(await opened, [[{ channel: 'chat:a', outcome: 'fresh', epoch: 'e1', offset: 2, from: 2, to: 2 }]])
      await late.reached(2)
      three.close()
      say(response, message(3))
      await Promise.all(lists.map((list) => list.reached(3)))
      assert.deepEqual([late.list, server.waiting], [[2], 0])
      const ended = onceOf(response, 'close')
      one.close()
      two.close()
      await ended
    } finally {
      globalThis.EventSource = before
    }
  }))

  test('what can not be asked for is refused at once', () => {
    const bad = (options: Partial<StreamOptions>): void =>
      assert.throws(() => new Stream({ url: 'http://x', channels: ['a:b'], EventSource: EventSource as never, ...options }), { code: 'bad_request' })
    bad({ channels: [] })
    bad({ channels: ['a:b', 'a:b'] })
    bad({ channels: Array.from({ length: 65 }, (_, n) => `a:${n}`) })
    bad({ rewind: 1_001 })
    bad({ maxRate: 0 })
    bad({ maxRate: 51 })
  })
})
