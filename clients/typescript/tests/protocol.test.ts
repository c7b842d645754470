// Goal: the decoder takes every frame of the protocol and nothing else, and the builders make what the hub reads.
// Method: rows of right and wrong frames, and the golden vectors that the Rust tests read too.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES, errorOfClose, isFinalClose, isTemporary } from '../src/protocol/codes.js'
import { decode, decodeEvent } from '../src/protocol/decode.js'
import * as encode from '../src/protocol/encode.js'
import type { ClientFrame, Json } from '../src/protocol/frames.js'
import { read as readEvent } from '../src/rooms/events.js'
import { VERSION } from '../src/version.js'
import { message } from './support.js'

const outcome = { outcome: 'fresh', epoch: 'e1', offset: 7 }
const ok = (frame: object): void => assert.equal(decode(JSON.stringify(frame)).is, 'frame', JSON.stringify(frame))
const broken = (frame: object): void => assert.equal(decode(JSON.stringify(frame)).is, 'broken', JSON.stringify(frame))

describe('the decoder', () => {
  test('takes right frames', () => {
    ok({ type: 'ping' })
    ok({ type: 'subscribed', id: 1, channel: 'a:b', ...outcome, future: 1 })
    ok({ type: 'subscribed', id: 1, channel: 'a:b', outcome: 'fresh' })
    ok({ type: 'subscribed', id: 1, channel: 'a:b', ...outcome, outcome: 'continued', from: 8, to: 7 })
    ok({ type: 'subscribed', id: 1, channel: 'a:b', ...outcome, outcome: 'gap', from: 1, to: 7, reason: 'new_reason' })
    ok({ type: 'unsubscribed', channel: 'a:b' })
    ok({ type: 'ack', id: 1, message: 'm', time: 1 })
    ok({ type: 'reply', id: 1, expires_at: 5 })
    ok({ type: 'reply', id: 1, result: {} })
    ok(message(1, { epoch: undefined, offset: undefined, data: { event: 'typing', v: 1, user: 'u2', for_ms: 6_000 } }))
    ok(message(1))
    ok(message(1, { data: null }))
    ok({ type: 'error', code: 'x', message: 'y', retry_after_ms: null })
  })

  test('refuses wrong ones', () => {
    broken([])
    broken({ type: 1 })
    broken({ type: 'subscribed', id: 1, channel: 'a:b' })
    broken({ type: 'subscribed', id: 1, channel: 'a:b', outcome: 'maybe' })
    broken({ type: 'subscribed', id: 1, channel: 'a:b', ...outcome, outcome: 'continued' })
    broken({ type: 'subscribed', id: 1, channel: 'a:b', ...outcome, from: 3 })
    broken(message(1, { epoch: undefined }))
    broken(message(1, { offset: 1.5 }))
    broken(message(1, { offset: 2 ** 53 }))
    broken(message(1, { epoch: 'E!' }))
    broken(message(1, { data: undefined }))
    broken({ type: 'gap', channel: 'a:b', epoch: 'e', from: 5, to: 3, reason: 'lost' })
    broken({ type: 'reply', id: 1 })
    broken({ type: 'reply', id: 1, result: [] })
    broken({ type: 'drain', within_ms: -1 })
    for (const text of ['', '{', 'null', '"x"', '\u0000']) assert.equal(decode(text).is, 'broken')
  })

  test('names what it does not know, also names of Object', () => {
    for (const type of ['later', 'constructor', '__proto__', 'toString']) {
      assert.deepEqual(decode(JSON.stringify({ type })), { is: 'unknown', type })
    }
    assert.equal(decode('{"type":"open","subscriptions":[]}').is, 'unknown')
    assert.equal(decodeEvent('{"type":"open","subscriptions":[]}').is, 'frame')
  })
})

test('an operation of rooms has its fields beside the key, and none that say nothing', () => {
  assert.deepEqual(encode.room(7, 'send', { channel: 'room:a', text: 'hi', reply_to: undefined }, 'k'),
    { type: 'room', id: 7, op: 'send', key: 'k', channel: 'room:a', text: 'hi' })
  assert.deepEqual(encode.room(8, 'rooms', { follow: true }), { type: 'room', id: 8, op: 'rooms', follow: true })
})

test('codes', () => {
  assert.deepEqual(['rate_limited', 'unavailable', 'overloaded', 'internal', 'forbidden', 'new', 'toString'].map(isTemporary),
    [true, true, true, true, false, false, false])
  assert.deepEqual([4000, 4009, 4499, 4500, 4503, 4999, 5000].map(isFinalClose), [false, false, false, true, true, true, false])
  assert.equal(errorOfClose(4777), 'disconnected')
})

test('the version is that of the package', () => {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url))
  assert.equal(VERSION, (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version)
})

/** Builds the frame anew from its fields, with what the SDK builds its frames with. */
function rebuild(frame: ClientFrame): ClientFrame {
  switch (frame.type) {
    case 'connect':
      return encode.connect(frame.token, frame.client, (frame.resume ?? []).map(({ channel, epoch, offset, presence = false, conflate = false }) =>
        encode.resumeEntry(channel, epoch !== undefined && offset !== undefined ? { epoch, offset } : undefined, { presence, conflate })))
    case 'subscribe':
      return encode.subscribe(frame.id, frame.channel, frame, { presence: frame.presence ?? false, conflate: frame.conflate ?? false })
    case 'unsubscribe':
      return encode.unsubscribe(frame.id, frame.channel)
    case 'publish':
      return encode.publish(frame.id, frame.channel, frame.data, frame.key, frame.conflate_key)
    case 'history':
      return encode.history(frame.id, frame.channel, frame)
    case 'presence':
      return encode.presence(frame.id, frame.channel, frame)
    case 'refresh':
      return encode.refresh(frame.id, frame.token)
    case 'room': {
      const { type: _, id, op, key, ...fields } = frame
      return encode.room(id, op, fields, key)
    }
    case 'pong':
      return encode.pong
  }
}

/** A frame as JSON, or as the text it came as where it is not JSON or its writing matters. */
interface Vector {
  name: string
  frame?: object
  text?: string
  error?: unknown
}

interface RoomVector {
  name: string
  event?: object
  own?: object
  op?: { op: string }
}

interface Codes {
  errors: { code: string; temporary: boolean }[]
  closes: { code: number; final: boolean }[]
}

const folder = fileURLToPath(new URL('../../../../protocol/vectors/', import.meta.url))
const read = <T>(file: string): T => JSON.parse(readFileSync(join(folder, file), 'utf8')) as T
const textOf = ({ frame, text }: Vector): string => text ?? JSON.stringify(frame)

describe('golden vectors', () => {
  for (const vector of read<Vector[]>('server.json')) {
    test(`from the hub: ${vector.name}`, () => {
      const decoded = decodeEvent(textOf(vector))
      assert.equal(decoded.is === 'frame', vector.error === undefined, JSON.stringify(decoded))
    })
  }

  for (const vector of read<Vector[]>('client.json')) {
    if (vector.error !== undefined) continue
    test(`from the client: ${vector.name}`, () => {
      const golden = JSON.parse(textOf(vector)) as ClientFrame
      assert.deepEqual(rebuild(golden), golden)
    })
  }

  // Rooms get their vectors with their hub.
  const rooms = existsSync(join(folder, 'rooms.json')) ? read<RoomVector[]>('rooms.json') : []
  for (const { name, event = undefined, own = event, op } of rooms) {
    test(`of rooms: ${name}`, () => {
      if (op === undefined) assert.deepEqual(readEvent({ channel: 'room:a', id: 'm', time: 1, data: own as Json })?.event, own)
      else assert.deepEqual(encode.room(7, op.op, { ...op, op: undefined }), { type: 'room', id: 7, ...op })
    })
  }

  test('the table of codes', () => {
    const codes = read<Codes>('codes.json')
    assert.deepEqual(codes.errors.map(({ code }) => code), ERROR_CODES)
    for (const { code, temporary } of codes.errors) assert.equal(isTemporary(code), temporary, code)
    for (const { code, final } of codes.closes) assert.equal(isFinalClose(code), final, String(code))
  })
})
