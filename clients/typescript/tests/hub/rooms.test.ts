// Goal: people in rooms see the same, at once and after any outage, and a page that lists, opens and writes is right.
// Method: clients of a real hub, whose models are held against what the hub answers when it is asked anew.

import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { Hub, HubError, Room } from '../../src/index.js'
import { type Clients, numbers, test, withClients } from './scene.js'
import { skipIfNotOurs, TestHub } from './test-hub.mjs'

let hub: TestHub
before(async () => {
  hub = await TestHub.start()
})
after(() => hub?.stop())
const scene = (run: (clients: Clients) => Promise<void>): (() => Promise<void>) => withClients(() => hub, run)

type Changing = { on(name: 'change', listener: () => void): () => void }

/** Resolves when `done` holds, looking at each change of the source. */
function when(source: Changing, done: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (done()) return resolve()
    const off = source.on('change', () => {
      if (!done()) return
      off()
      resolve()
    })
  })
}

const texts = (of: Room): string[] => of.messages.map(({ text }) => text)
const settled = (of: Room): boolean => of.loaded && !of.loading && of.messages.every(({ outgoing }) => outgoing === undefined)

/** A public room of `ada` that `others` have joined, open for each of them. */
async function lobby(name: string, ada: Hub, ...others: Hub[]): Promise<Room[]> {
  const channel = `room:${name}`
  await ada.rooms.create({ kind: 'public', channel, name, receipts: true })
  for (const other of others) await other.rooms.join(channel)
  const all = [ada, ...others]
  await Promise.all(all.map(({ rooms }) => when(rooms, () => rooms.get(channel)?.me.state === 'joined')))
  const open = all.map(({ rooms }) => rooms.open(channel))
  await Promise.all(open.map((room) => when(room, () => room.loaded)))
  return open
}

/** What the model holds is what the hub answers now. */
async function isRight(client: Hub, room: Room): Promise<void> {
  const [page, entry] = await Promise.all([
    client.rooms.call('messages', { channel: room.channel, limit: 200 }), client.rooms.call('room', { channel: room.channel }),
  ])
  await when(room, () => settled(room))
  assert.deepEqual(room.messages, page.messages)
  assert.deepEqual(room.room, entry.room)
  assert.deepEqual(room.me, entry.me)
  assert.deepEqual([room.unread, room.mentions], [entry.unread, entry.mentions])
}

test('what one writes the other sees, counts and has read', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('talk', ada, bo)) as [Room, Room]
  const { key, done } = here.send('hello @bo')
  assert.equal(here.messages.at(-1)?.outgoing?.state, 'pending')
  const change = await done
  await when(there, () => there.messages.length === 1)
  const message = there.messages[0]
  assert.deepEqual([message?.id, message?.key, message?.from, message?.ordinal], ['message' in change && change.message, key, 'ada', 1])
  assert.deepEqual(message?.entities, [{ kind: 'mention', from: 6, to: 9, user: 'bo' }])
  assert.deepEqual([there.unread, there.mentions, here.unread], [1, 1, 0])
  there.read()
  await when(there, () => there.unread === 0)
  assert.equal(there.mentions, 0)
  await when(here, () => settled(here))
  assert.deepEqual(await here.receipts(message?.id ?? ''), ['bo'])
  await isRight(ada, here)
  await isRight(bo, there)
  assert.deepEqual(clients.faults, [])
}))

test('edits, reactions, pins and deletions change what everybody holds', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('change', ada, bo)) as [Room, Room]
  for (const n of numbers(1, 4)) await here.send(`message ${n}`).done
  await when(there, () => there.messages.length === 4)
  const [first, second, third, fourth] = there.messages.map(({ id }) => id) as [string, string, string, string]
  await here.edit(first, 'edited')
  await there.react(second, '👍')
  await here.pin(second)
  await here.delete(third)
  await here.delete(fourth, { hard: true })
  await when(there, () => there.messages.length === 3)
  assert.deepEqual(there.messages.map(({ text, version, deleted, pinned }) => [text, version, deleted, pinned]),
    [['edited', 1, null, false], ['message 2', 0, null, true], ['', 0, 'author', false]])
  assert.deepEqual(there.messages[1]?.reactions, { '👍': { count: 1, mine: 1 } })
  assert.deepEqual((await here.versions(first)).map(({ text }) => text), ['message 1'])
  await isRight(ada, here)
  await isRight(bo, there)
}))

test('a thread is a conversation of its own under a message', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('thread', ada, bo)) as [Room, Room]
  await here.send('root').done
  await when(there, () => there.messages.length === 1)
  const root = there.messages[0]?.id ?? ''
  const [mine, theirs] = [here.thread(root), there.thread(root)]
  await Promise.all([mine, theirs].map((thread) => when(thread, () => thread.loaded && thread.root !== undefined)))
  await theirs.send('under it @ada').done
  await when(mine, () => mine.messages.length === 1)
  assert.deepEqual([mine.unread, mine.mentions, mine.following], [1, 1, true])
  await when(here, () => here.messages[0]?.replies === 1)
  assert.deepEqual([here.messages.length, here.unread], [1, 0])
  mine.read()
  await when(mine, () => mine.unread === 0)
  await bo.rooms.threads.load()
  assert.deepEqual(bo.rooms.threads.list.map(({ channel, thread, unread }) => [channel, thread.id, unread]), [['room:thread', root, 0]])
}))

test('whoever is banned knows that they are out, and why nothing comes any more', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('banned', ada, bo)) as [Room, Room]
  await here.ban('bo')
  await when(there, () => there.me?.state !== 'joined' && there.error !== null)
  assert.match(there.error?.code ?? '', /not_found|forbidden/)
  await when(bo.rooms, () => bo.rooms.get('room:banned') === undefined)
  await assert.rejects(there.send('still here').done)
  await here.unban('bo')
  await bo.rooms.join('room:banned')
  await when(there, () => there.me?.state === 'joined' && there.error === null && there.loaded)
}))

test('an invitation is in the list and the inbox, and leads into a private room', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  await Promise.all([ada, bo].map(({ rooms }) => when(rooms, () => rooms.loaded)))
  const { unread } = bo.rooms.inbox
  const { channel } = await ada.rooms.create({ kind: 'private', name: 'secret' })
  await assert.rejects(bo.rooms.call('room', { channel }), { code: 'not_found' })
  await ada.rooms.invite(channel, 'bo')
  await when(bo.rooms, () => bo.rooms.get(channel)?.me.state === 'invited')
  await bo.rooms.inbox.load()
  await when(bo.rooms.inbox, () => bo.rooms.inbox.notices[0]?.what === 'invitation')
  assert.equal(bo.rooms.inbox.unread, unread + 1)
  await bo.rooms.inbox.read()
  await when(bo.rooms.inbox, () => bo.rooms.inbox.unread === 0)
  await bo.rooms.join(channel)
  await when(bo.rooms, () => bo.rooms.get(channel)?.me.state === 'joined')
  await bo.rooms.leave(channel)
  await when(bo.rooms, () => bo.rooms.get(channel) === undefined)
}))

test('a direct room of the same people is the same room', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const first = await ada.rooms.create({ kind: 'direct', members: ['bo'] })
  assert.equal((await bo.rooms.create({ kind: 'direct', members: ['ada'] })).channel, first.channel)
  await when(bo.rooms, () => bo.rooms.get(first.channel) !== undefined)
}))

test('a window reaches back, jumps to what is unread and comes back to the end', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here] = (await lobby('long', ada, bo)) as [Room, Room]
  for (const n of numbers(1, 150)) void here.send(`m${n}`)
  await when(here, () => here.messages.length === 150 && settled(here))
  bo.rooms.open('room:long').close()
  const there = bo.rooms.open('room:long')
  await when(there, () => there.loaded)
  assert.deepEqual([texts(there)[0], there.before, there.after], ['m101', true, false])
  await there.loadBefore()
  assert.equal(texts(there)[0], 'm51')
  const unread = await there.jumpTo('unread')
  assert.equal(there.messages.find(({ id }) => id === unread)?.text, 'm1')
  assert.equal(there.after, true)
  await there.loadAfter(100)
  await there.jumpTo('newest')
  assert.deepEqual([texts(there).at(-1), there.after], ['m150', false])
}))

test('a room that one is not in can be looked at and joined', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here] = (await lobby('shop', ada)) as [Room]
  const there = bo.rooms.open('room:shop')
  await when(there, () => there.loaded)
  assert.equal(there.me, null)
  await here.send('welcome').done
  await when(there, () => texts(there).includes('welcome'))
  assert.ok((await bo.rooms.discover()).rooms.some(({ channel }) => channel === 'room:shop'))
  await assert.rejects(there.send('hi').done, { code: 'forbidden' })
  await there.join()
  await when(there, () => there.me?.state === 'joined')
  there.messages.at(-1)?.outgoing?.retry()
  await when(here, () => texts(here).includes('hi'))
}))

test('slow mode fails a message until its time has come', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('slow', ada, bo)) as [Room, Room]
  await here.configure({ slowModeS: 600 })
  await when(there, () => there.room?.slow_mode_s === 600)
  await there.send('one').done
  await assert.rejects(there.send('two').done, (error: HubError) => error.code === 'rate_limited' && (error.retryAfterMs ?? 0) > 500_000)
  assert.equal(there.messages.at(-1)?.outgoing?.state, 'failed')
}))

test('who is banned is out, and comes back when that is lifted', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('order', ada, bo)) as [Room, Room]
  await here.loadMembers()
  assert.deepEqual(here.members.map(({ user }) => user), ['ada', 'bo'])
  await here.mute('bo')
  await when(there, () => there.me?.muted_until === Number.MAX_SAFE_INTEGER)
  await assert.rejects(there.send('but').done, { code: 'forbidden' })
  await here.ban('bo', { reason: 'noise' })
  await when(bo.rooms, () => bo.rooms.get('room:order') === undefined)
  await assert.rejects(bo.rooms.join('room:order'), { code: 'forbidden' })
  await here.unban('bo')
  await bo.rooms.join('room:order')
  await when(bo.rooms, () => bo.rooms.get('room:order') !== undefined)
  assert.ok((await here.audit()).entries.some(({ op, user }) => op === 'ban' && user === 'bo'))
}))

test('who is there and who is writing is seen', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here, there] = (await lobby('cafe', ada, bo)) as [Room, Room]
  ada.rooms.open('room:cafe', { presence: true })
  bo.rooms.open('room:cafe', { presence: true })
  await when(here, () => here.presence?.users.length === 2)
  there.typing()
  await when(here, () => here.writers.length === 1)
  assert.deepEqual(here.writers, ['bo'])
  await there.send('done').done
  await when(here, () => here.writers.length === 0)
}))

test('search finds what was said in the rooms that one is in', scene(async (clients) => {
  const [ada, bo] = [clients.of('ada'), clients.of('bo')]
  const [here] = (await lobby('library', ada)) as [Room]
  await here.send('a rare okapi').done
  const { hits } = await ada.rooms.search('okapi')
  assert.deepEqual(hits.map(({ channel, message, highlights }) => [channel, message.text, highlights]), [['room:library', 'a rare okapi', [[7, 12]]]])
  assert.deepEqual((await bo.rooms.search('okapi')).hits, [])
}))

if (skipIfNotOurs === false) {
  test('written while the hub is dead, it is sent once and in order, and everybody is right again', scene(async (clients) => {
    const [ada, bo] = [clients.of('ada'), clients.of('bo')]
    const [here, there] = (await lobby('outage', ada, bo)) as [Room, Room]
    for (const n of numbers(1, 20)) void here.send(`a${n}`)
    await when(there, () => there.messages.length > 0)
    await hub.kill()
    for (const n of numbers(21, 40)) void here.send(`a${n}`)
    void there.send('b')
    await hub.restart()
    await when(here, () => settled(here) && texts(here).length === 41)
    await when(there, () => settled(there) && texts(there).length === 41)
    assert.deepEqual(texts(here).filter((text) => text !== 'b'), numbers(1, 40).map((n) => `a${n}`))
    await isRight(ada, here)
    await isRight(bo, there)
  }))
}
