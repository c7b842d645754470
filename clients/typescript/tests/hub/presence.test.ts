// Goal: who is in a channel is known at once, and changes are told in order. Method: users that come and go on a real
// hub with a short grace.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { type Clients, Heard, test, withClients } from './scene.js'
import { TestHub } from './test-hub.mjs'

let hub: TestHub
before(async () => void (hub = await TestHub.start({ HUBBUB_LIMITS__PRESENCE_GRACE_MS: '300' })))
after(() => hub?.stop())
/** Joins and leaves of others: whether one hears of one's own depends on which is first, joining or listening. */
const others = ({ events }: Heard): string[] => events.filter((event) => !event.startsWith('fresh') && event !== 'join ada')

const scene = (run: (clients: Clients) => Promise<void>): (() => Promise<void>) => withClients(() => hub, run)

test('joins and leaves are told once per user, whatever the number of connections', scene(async (clients) => {
  const ada = clients.of('ada')
  const subscription = ada.subscribe('chat:room', { presence: true })
  const heard = new Heard(subscription)
  const versions: number[] = []
  subscription.on('presence', ({ version }) => versions.push(version))
  await heard.hears('fresh 0')
  const [bo, boAgain] = [clients.of('bo'), clients.of('bo')]
  const rooms = [new Heard(bo.subscribe('chat:room')), new Heard(boAgain.subscribe('chat:room'))]
  await Promise.all(rooms.map((room) => room.until(({ events }) => events.length > 0)))
  await heard.hears('join bo')
  const present = await ada.presence('chat:room')
  assert.equal(present.count, 2)
  assert.deepEqual([...present.users].sort((a, b) => a.user.localeCompare(b.user)), [{ user: 'ada', connections: 1 }, { user: 'bo', connections: 2 }])
  assert.equal(present.version, versions.at(-1))
  bo.close()
  const cy = new Heard(clients.of('cy').subscribe('chat:room'))
  await cy.until(({ events }) => events.length > 0)
  await heard.hears('join cy')
  boAgain.close()
  await heard.hears('leave bo')
  assert.deepEqual(others(heard), ['join bo', 'join cy', 'leave bo'])
  assert.deepEqual(versions, [...versions].sort((a, b) => a - b))
}))

test('who comes back within the grace has not left', scene(async (clients) => {
  const ada = clients.of('ada')
  const heard = new Heard(ada.subscribe('chat:tunnel', { presence: true }))
  await heard.hears('fresh 0')
  const away = clients.of('bo')
  await new Heard(away.subscribe('chat:tunnel')).until(({ events }) => events.length > 0)
  await heard.hears('join bo')
  away.close()
  await new Heard(clients.of('bo').subscribe('chat:tunnel')).until(({ events }) => events.length > 0)
  const cy = clients.of('cy')
  await new Heard(cy.subscribe('chat:tunnel')).until(({ events }) => events.length > 0)
  cy.close()
  await heard.hears('leave cy')
  assert.deepEqual(others(heard), ['join bo', 'join cy', 'leave cy'])
}))

test('a namespace without presence refuses the wish by name', scene(async (clients) => {
  const heard = new Heard(clients.of('ada').subscribe('eph:x', { presence: true }))
  await heard.until(({ events }) => events.length > 0)
  assert.deepEqual(heard.events, ['end not_supported'])
}))
