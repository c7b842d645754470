// Goal: what the README shows of rooms can be copied: each example runs, in their order. Method: the examples as they
// stand in it, on a real hub, with a client as `hub`.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Clients, test, withClients } from './scene.js'
import { TestHub } from './test-hub.mjs'

let hub: TestHub
before(async () => {
  hub = await TestHub.start()
})
after(() => hub?.stop())

const readme = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8')
const [, rooms = ''] = readme.split('\n## ').flatMap((part) => (part.startsWith('Rooms\n') ? ['', part] : []))
const examples = [...rooms.matchAll(/^### ([^\n]*)$|^```ts\n(.*?)^```$/gms)]

const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<void>

test('every example of rooms in the README runs', withClients(() => hub, async (clients: Clients) => {
  const client = clients.of('ada')
  const shown = { log: () => {} }
  const ran: string[] = []
  let title = ''
  for (const [, heading, code] of examples) {
    if (heading !== undefined) title = heading
    if (code === undefined) continue
    await new AsyncFunction('hub', 'console', code)(client, shown).catch((error: Error) => assert.fail(`${title}: ${error.stack}`))
    ran.push(title)
  }
  assert.deepEqual(ran, ['The list of rooms', 'A room', 'What is done with messages', 'Threads', 'The inbox', 'Search, and people', 'Keeping order'])
  assert.deepEqual(clients.faults, [])
}))
