// Goal: tokens that expire are renewed without a word lost, and wrong ones end the matter. Method: tokens of a few
// seconds, signed here, and a real hub that warns late and allows no leeway.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { HubError } from '../../src/index.js'
import { once } from '../support.js'
import { type Clients, Heard, test, withClients } from './scene.js'
import { TestHub, tokenFor } from './test-hub.mjs'

let hub: TestHub
before(async () => void (hub = await TestHub.start({ HUBBUB_TOKENS__LEEWAY_S: '0', HUBBUB_LIMITS__EXPIRY_WARNING_MS: '1000' })))
after(() => hub?.stop())
const scene = (run: (clients: Clients) => Promise<void>): (() => Promise<void>) => withClients(() => hub, run)

/** A provider of tokens that live so long, and a promise of its n-th call. */
function provider(user: string, ttlS: number): { token: () => string; calls: () => number; asked: (times: number) => Promise<void> } {
  let calls = 0
  const waiting: { times: number; resolve: () => void }[] = []
  const token = (): string => {
    calls++
    for (const { times, resolve } of waiting) if (calls >= times) resolve()
    return tokenFor(user, ttlS)
  }
  const asked = (times: number): Promise<void> => new Promise((resolve) => waiting.push({ times, resolve }))
  return { token, calls: () => calls, asked }
}

test('a token is renewed before it expires: the session goes on beyond the life of two', scene(async (clients) => {
  const { token, asked } = provider('ada', 3)
  const ada = clients.of('ada', { token })
  const heard = new Heard(ada.subscribe('chat:long'))
  await heard.hears('fresh 0')
  const [session, expiresAt] = [ada.session?.id, ada.session?.expiresAt ?? 0]
  const states: string[] = []
  ada.on('state', ({ state }) => states.push(state))
  await asked(4)
  await ada.publish('chat:long', 1)
  await heard.count(1)
  assert.ok(Date.now() > expiresAt, 'the first token has expired')
  assert.ok((ada.session?.expiresAt ?? 0) > expiresAt)
  assert.equal(ada.session?.id, session)
  assert.deepEqual([states, clients.faults], [[], []])
}))

test('a token that can not be renewed in time ends the connection, and a new one brings it back with nothing lost', scene(async (clients) => {
  let calls = 0
  const token = (): string => {
    // The first one works; the renewals on the running session fail; the next connection gets a good one.
    if (++calls > 1 && Date.now() < expiresAt) throw new Error('the session cookie is gone')
    return tokenFor('bo', 2)
  }
  const bo = clients.of('bo', { token })
  let expiresAt = Infinity
  const heard = new Heard(bo.subscribe('chat:lapse'))
  await heard.hears('fresh 0')
  expiresAt = bo.session?.expiresAt ?? 0
  for (;;) {
    const [{ state, error }] = (await once(bo, 'state')) as [{ state: string; error: HubError | null }]
    if (state === 'waiting') {
      assert.equal(error?.code, 'token_expired')
      break
    }
  }
  await hub.publish('chat:lapse', 'meanwhile')
  await heard.count(1)
  assert.ok(heard.events.some((event) => event.startsWith('continued')))
  assert.ok(clients.faults.every((fault) => fault.startsWith('bo: token_failed')), clients.faults.join())
}))

test('a fixed token ends the connection for good when it expires', scene(async (clients) => {
  const ada = clients.of('ada', { token: tokenFor('ada', 2) })
  const heard = new Heard(ada.subscribe('chat:fixed'))
  await heard.until(({ events }) => events.some((event) => event.startsWith('end')))
  assert.deepEqual([heard.events.at(-1), ada.state], ['end token_expired', 'closed'])
  await assert.rejects(ada.publish('chat:fixed', 1), { code: 'token_expired' })
}))

test('a token that nobody signed ends the connection for good at once', scene(async (clients) => {
  const ada = clients.of('ada', { token: () => tokenFor('ada').slice(0, -4) + 'AAAA' })
  await assert.rejects(ada.publish('chat:x', 1), { code: 'unauthorized' })
  assert.equal(ada.state, 'closed')
  assert.equal(clients.faults.length, 1)
}))

test('an expired token at the first connect is asked for again', scene(async (clients) => {
  let calls = 0
  const ada = clients.of('ada', { token: () => tokenFor('ada', ++calls === 1 ? -5 : 60) })
  assert.equal((await ada.publish('chat:again', 1)).offset, 1)
  assert.equal(calls, 2)
}))
