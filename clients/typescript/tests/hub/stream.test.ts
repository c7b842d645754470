// Goal: a stream gets its tickets by itself, goes on behind its last message and leaves out only what it counts. Method:
// the EventSource of Node against a real hub, which is killed, drained and given tokens of a few seconds.

import assert from 'node:assert/strict'
import { afterEach } from 'node:test'
import { EventSource } from 'eventsource'
import { type Message, Stream, type StreamOptions } from '../../src/index.js'
import { numbers, test } from './scene.js'
import { TestHub, tokenFor } from './test-hub.mjs'

/** A stream and all that it tells. */
class Watcher {
  readonly messages: Message[] = []
  readonly events: string[] = []
  readonly faults: string[] = []
  /** Tickets that were asked for. */
  tickets = 0
  skipped = 0
  readonly stream: Stream
  readonly #waiting = new Set<() => void>()

  constructor(hub: TestHub, options: Partial<StreamOptions> & { channels: string[] }) {
    const counting: StreamOptions['fetch'] = (url, init) => {
      if (new URL(url).pathname === '/v1/tickets') this.tickets++
      return fetch(url, init)
    }
    this.stream = new Stream({ url: hub.url, EventSource: EventSource as never, fetch: counting, ...options })
    const note = (event: string): void => {
      this.events.push(event)
      this.#look()
    }
    this.stream.on('message', (message) => {
      this.messages.push(message)
      this.#look()
    })
    this.stream.on('open', (results) => note(results.map((o) => o.outcome ?? o.error).join()))
    this.stream.on('skipped', ({ count }) => void (this.skipped += count))
    this.stream.on('gap', (gap) => note(`gap ${gap.from}-${gap.to} ${gap.reason}`))
    this.stream.on('drain', () => note('drain'))
    this.stream.on('state', ({ state, error }) => note(error ? `${state} ${error.code}` : state))
    this.stream.on('error', (error) => this.faults.push(`${error.code}: ${error.message}`))
  }

  get data(): unknown[] {
    return this.messages.map(({ data }) => data)
  }

  until(done: (watcher: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!done(this)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  count(messages: number): Promise<void> {
    return this.until((watcher) => watcher.messages.length >= messages)
  }

  hears(event: string, times = 1): Promise<void> {
    return this.until(({ events }) => events.filter((one) => one === event).length >= times)
  }

  #look(): void {
    for (const look of [...this.#waiting]) look()
  }
}

let hub: TestHub | undefined
let watchers: Watcher[] = []
afterEach(async () => {
  for (const { stream } of watchers) stream.close()
  watchers = []
  await hub?.stop()
})

async function start(env: Record<string, string> = {}): Promise<TestHub> {
  return (hub = await TestHub.start(env))
}

function watch(options: Partial<StreamOptions> & { channels: string[] }): Watcher {
  const watcher = new Watcher(hub!, options)
  watchers.push(watcher)
  return watcher
}

test('two channels that are not public by ticket; killed, the stream gets another ticket and misses nothing', async () => {
  const own = await start()
  const watcher = watch({ channels: ['chat:a', 'chat:b'], token: () => tokenFor('ada') })
  await watcher.hears('fresh,fresh')
  await own.publishAll(numbers(1, 20).map((n) => ({ channel: n % 2 ? 'chat:a' : 'chat:b', data: n })))
  await watcher.count(20)
  assert.equal(watcher.tickets, 1)
  await own.kill()
  await watcher.hears('waiting network')
  await own.restart()
  await own.publishAll(numbers(21, 40).map((n) => ({ channel: n % 2 ? 'chat:a' : 'chat:b', data: n })))
  await watcher.count(40)
  await own.publish('chat:a', 41)
  await watcher.count(41)
  for (const [channel, from] of [['chat:a', 1], ['chat:b', 2]] as const) {
    const data = watcher.messages.filter((message) => message.channel === channel).map((message) => message.data)
    assert.deepEqual(data, numbers(1, 41).filter((n) => n % 2 === from % 2), channel)
  }
  assert.ok(watcher.events.includes('continued,continued'))
  assert.deepEqual(watcher.events.filter((event) => event.startsWith('gap')), [])
})

test('the hub ends the stream in its turn: it goes on with the same ticket', async () => {
  const own = await start({ HUBBUB_LIMITS__SSE_ROTATION_MS: '1000' })
  const watcher = watch({ channels: ['chat:turn'], token: () => tokenFor('ada') })
  await watcher.hears('fresh')
  await watcher.hears('continued', 2)
  await own.publish('chat:turn', 1)
  await watcher.count(1)
  assert.deepEqual([watcher.tickets, watcher.faults], [1, []])
})

test('the token behind the ticket expires: another ticket, and nothing is missed', async () => {
  const own = await start({ HUBBUB_TOKENS__LEEWAY_S: '0', HUBBUB_LIMITS__EXPIRY_WARNING_MS: '1000' })
  const watcher = watch({ channels: ['chat:short'], token: () => tokenFor('ada', 3) })
  await watcher.hears('fresh')
  let n = 0
  while (watcher.tickets < 3) {
    await own.publish('chat:short', ++n)
    await watcher.count(n)
  }
  assert.deepEqual(watcher.data, numbers(1, n))
  assert.deepEqual([watcher.stream.state, watcher.faults], ['open', []])
})

test('tokens shorter than the hub warns before do not make a storm of tickets', async () => {
  const own = await start({ HUBBUB_TOKENS__LEEWAY_S: '0' })
  const watcher = watch({ channels: ['chat:storm'], token: () => tokenFor('ada', 30) })
  await watcher.hears('fresh')
  for (let n = 1; n <= 100; n++) {
    await own.publish('chat:storm', n)
    await watcher.count(n)
  }
  assert.equal(watcher.tickets, 1)
})

test('who may not read is told so once and for good', async () => {
  await start()
  const watcher = watch({ channels: ['user:bo'], token: () => tokenFor('ada') })
  await watcher.hears('closed forbidden')
  assert.equal(watcher.tickets, 1)
  const anonymous = watch({ channels: ['chat:a'] })
  await anonymous.until(({ events }) => events.some((event) => event.startsWith('closed')))
  assert.match(anonymous.events.at(-1) ?? '', /^closed (unauthorized|forbidden)$/)
})

test('a public channel begins with its last value, and with max_rate only the latest of each conflate key comes', async () => {
  const own = await start()
  await own.publish('feed:load', { key: 'a', n: 0 }, 'a')
  const watcher = watch({ channels: ['feed:load'], maxRate: 2 })
  await watcher.count(1)
  await own.publishAll(numbers(1, 400).map((n) => ({
    channel: 'feed:load', data: { key: n % 2 ? 'a' : 'b', n }, conflate_key: n % 2 ? 'a' : 'b',
  })))
  const latest = (key: string, n: number) => ({ messages }: Watcher): boolean =>
    messages.some(({ data }) => (data as { key: string }).key === key && (data as { n: number }).n === n)
  await Promise.all([watcher.until(latest('a', 399)), watcher.until(latest('b', 400))])
  const offsets = watcher.messages.map(({ offset }) => offset ?? 0)
  assert.deepEqual(offsets, [...offsets].sort((a, b) => a - b), 'in the order of the channel')
  assert.equal(watcher.messages.length + watcher.skipped, 401, 'what did not come was counted')
  assert.ok(watcher.messages.length < 20, `conflated, not all sent: ${watcher.messages.length}`)
  assert.deepEqual(watcher.events.filter((event) => event.startsWith('gap')), [])
})

test('messages without a conflate key all come, however slow the stream', async () => {
  const own = await start()
  const watcher = watch({ channels: ['feed:log'], maxRate: 2 })
  await watcher.until(({ events }) => events.includes('fresh'))
  await own.publishAll(numbers(1, 300).map((n) => ({ channel: 'feed:log', data: n })))
  await watcher.count(300)
  assert.deepEqual([watcher.data, watcher.skipped], [numbers(1, 300), 0])
})

test('drained and started again, the stream is told and goes on', async () => {
  const own = await start({ HUBBUB_LIMITS__DRAIN_MS: '3000' })
  const watcher = watch({ channels: ['chat:drain'], token: () => tokenFor('ada') })
  await watcher.hears('fresh')
  await own.publish('chat:drain', 1)
  await watcher.count(1)
  assert.equal(await own.terminate(), 0)
  assert.ok(watcher.events.includes('drain'))
  await own.restart()
  await own.publish('chat:drain', 2)
  await watcher.count(2)
  assert.deepEqual(watcher.data, [1, 2])
})
