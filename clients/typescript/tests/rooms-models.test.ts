// Goal: whatever order pages, snapshots and events come in, the models end where the log does, and nothing in them grows
// without bound. Method: a log that grows by seeded chance, answers that are older or newer than what was heard, and
// the models alone.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Gap, Member, Message, RoomMessage } from '../src/index.js'
import { type Created, type Happened, read } from '../src/rooms/events.js'
import { Following } from '../src/rooms/model/following.js'
import { KEPT, Keep } from '../src/rooms/model/kept.js'
import { Members } from '../src/rooms/model/members.js'
import { messageAfter, messageOf } from '../src/rooms/model/message.js'
import { Roster } from '../src/rooms/model/roster.js'
import { meAfter, mentionsOf, roomAfter, unreadOf } from '../src/rooms/model/room.js'
import { HELD, RECORDED, Timeline } from '../src/rooms/model/timeline.js'
import { Writers } from '../src/rooms/model/writers.js'
import type { MembersAnswer, MessagesAnswer, RoomsAnswer } from '../src/rooms/operations.js'
import { created, event, gap, me, own, room, ROOM } from './rooms-support.js'
import { seeded } from './support.js'

const happened = (frame: object): Happened => read(frame as Message)!

/** A log with everything that rules would know of it, at every offset. */
class Log {
  readonly #random: () => number
  readonly events: Happened[] = []
  /** The messages outside threads behind each offset. */
  readonly messages: (readonly RoomMessage[])[] = [[]]
  readonly rooms = [room({ messages: 0, last: undefined as never })]
  readonly mine = [me({ read: 0 })]

  constructor(random: () => number) {
    this.#random = random
  }

  get head(): number {
    return this.events.length
  }

  grow(): void {
    const offset = this.head + 1
    const now = happened(this.#next(offset))
    this.events.push(now)
    const there = this.messages.at(-1) ?? []
    const behind = there.flatMap((message) => messageAfter(message, now, 'u1') ?? [])
    const made = now.event?.event === 'message.created' && now.event.thread === undefined ? [messageOf(now, now.event as Created)] : []
    this.messages.push([...behind, ...made])
    this.rooms.push(roomAfter(this.rooms.at(-1)!, now))
    this.mine.push(meAfter(this.mine.at(-1)!, now, 'u1', this.rooms.at(-2)!)!)
  }

  /** A page as it was at an offset. */
  page(at: number, fits: (message: RoomMessage) => boolean, limit: number, from: 'beginning' | 'end'): MessagesAnswer {
    const all = this.messages[at] ?? []
    const some = all.filter(fits)
    const messages = from === 'end' ? some.slice(-limit) : some.slice(0, limit)
    const [first, last] = [messages[0], messages.at(-1)]
    const before = all.some((message) => message.offset < (first?.offset ?? 0))
    const after = last !== undefined && all.some((message) => message.offset > last.offset)
    return { epoch: 'e1', offset: at, messages, before, after, room: this.rooms[at]!, me: this.mine[at]! }
  }

  snapshot(at: number): RoomsAnswer {
    const [is, mine] = [this.rooms[at]!, this.mine[at]!]
    return {
      rooms: [{ room: is, me: mine, epoch: 'e1', offset: at, unread: unreadOf(is, mine), mentions: mentionsOf(is, mine) }],
      user: { epoch: 'e1', offset: 0 }, person: { unread: 0, dnd_until: null },
    }
  }

  #next(offset: number): object {
    const old = this.messages.at(-1) ?? []
    const one = old[Math.floor(this.#random() * old.length)]?.id
    const [dice, ordinal] = [this.#random(), this.rooms.at(-1)!.messages + 1]
    const from = this.#random() < 0.2 ? 'u1' : 'u2'
    if (one === undefined || dice < 0.5) {
      const all = this.#random() < 0.1
      const mentions = { users: this.#random() < 0.2 ? ['u1'] : [], all }
      return created(offset, { ordinal, mentions, mentions_all: this.rooms.at(-1)!.mentions_all + Number(all) }, { offset, from })
    }
    if (dice < 0.6) return event(offset, 'message.edited', { message: one, text: `edit ${offset}`, entities: [], version: offset })
    if (dice < 0.7) return event(offset, 'reaction.changed', { message: one, emoji: '👍', user: from, mine: 1, count: offset })
    if (dice < 0.8) return event(offset, 'message.deleted', { message: one, by: 'author', hard: this.#random() < 0.5 })
    if (dice < 0.85) return event(offset, 'message.pinned', { message: one, pinned: this.#random() < 0.5 })
    if (dice < 0.9) return created(offset, { ordinal: offset, thread: one }, { offset, from })
    return event(offset, 'read.moved', { user: 'u1', ordinal: Math.floor(this.#random() * ordinal), mentions_read: 0, mentions_all_read: 0 })
  }
}

describe('by chance', () => {
  for (let seed = 1; seed <= 40; seed++) {
    test(`a window moves over a log that grows, with late and early pages (seed ${seed})`, () => {
      const random = seeded(seed)
      const log = new Log(random)
      const timeline = new Timeline()
      const pick = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1))
      let heard = 0
      /** The offset with which each message came in a page. */
      const known = new Map<string, number>()
      const hear = (upTo: number): void => {
        while (heard < upTo) {
          assert.notEqual(timeline.message(log.events[heard++]!, 'u1'), 'hole')
          isTrue()
        }
      }
      /** Each message is as it was when it was last heard of, never older, and stands there once. */
      const isTrue = (): void => {
        const { messages } = timeline
        messages.forEach((message, index) => {
          assert.ok(index === 0 || message.offset > messages[index - 1]!.offset, 'ascending, each once')
          const at = Math.max(heard, known.get(message.id) ?? 0)
          assert.deepEqual(message, log.messages[at]!.find(({ id }) => id === message.id))
        })
      }
      for (let n = 0; n < 40; n++) log.grow()
      hear(30)
      for (let round = 0; round < 60; round++) {
        for (let n = pick(0, 3); n > 0; n--) log.grow()
        const asked = heard
        timeline.asking()
        hear(pick(heard, log.head))
        // What was heard before asking is in the answer; of what came since it may know some, all, or more.
        const at = pick(asked, log.head)
        const [wish, middle] = [timeline.loaded ? random() : 0, pick(1, log.head)]
        const [first, last] = [timeline.first?.offset ?? 0, timeline.last?.offset ?? 0]
        const take = (page: MessagesAnswer, by: (page: MessagesAnswer, viewer: string) => boolean): void => {
          for (const { id } of page.messages) known.set(id, at)
          assert.ok(by.call(timeline, page, 'u1'))
          isTrue()
        }
        if (wish < 0.2) take(log.page(at, () => true, 8, 'end'), timeline.replace)
        else if (wish < 0.3) take(log.page(at, (m) => m.offset >= middle, 8, 'beginning'), timeline.replace)
        else if (wish < 0.6 && timeline.before && timeline.first) take(log.page(at, (m) => m.offset < first, 5, 'end'), timeline.prepend)
        else if (timeline.after && timeline.last) take(log.page(at, (m) => m.offset > last, 5, 'beginning'), timeline.append)
        // A page that is newer than what was heard is right once that has been heard.
        hear(Math.max(heard, at))
        const all = log.messages[heard]!
        const [from, to] = [timeline.first?.offset ?? Infinity, timeline.after ? (timeline.last?.offset ?? 0) : Infinity]
        const expected = timeline.first === undefined ? [] : all.filter(({ offset }) => offset >= from && offset <= to)
        assert.deepEqual(timeline.messages, expected, `round ${round}`)
        if (timeline.first !== undefined) {
          assert.ok(timeline.before || all[0]?.offset === from, 'it says when there is more before')
        }
      }
    })

    test(`a list is right behind late and early snapshots (seed ${seed})`, () => {
      const random = seeded(1_000 + seed)
      const log = new Log(random)
      const following = new Following()
      let heard = 0
      for (let n = 0; n < 10; n++) log.grow()
      for (let round = 0; round < 50; round++) {
        const grown = Math.floor(random() * 4)
        if (round === 0 || random() < 0.2) {
          // A new connection: what happened until now comes no more.
          following.connected('u1')
          heard = log.head
        } else if (random() < 0.2) following.tear(ROOM)
        const ask = following.next()
        const asked = heard
        for (let n = 0; n < grown; n++) log.grow()
        while (heard < log.head) following.message(log.events[heard++]!)
        if (ask === undefined) continue
        following.answered(ask, log.snapshot(asked + Math.floor(random() * (log.head - asked + 1))))
        const entry = following.list.entry(ROOM)
        assert.deepEqual([entry?.room, entry?.me], [log.rooms[heard], log.mine[heard]], `round ${round}`)
        assert.equal(following.isLate, false)
      }
    })
  }
})

describe('bounds', () => {
  test('a window holds so many messages, and says what it let go', () => {
    const timeline = new Timeline()
    const log = new Log(seeded(1))
    timeline.replace({ ...log.page(0, () => true, 1, 'end'), messages: [] }, 'u1')
    for (let n = 1; n <= HELD + 5; n++) timeline.message(happened(created(n, {}, { offset: n })), 'u1')
    assert.deepEqual([timeline.messages.length, timeline.first?.id, timeline.before, timeline.after], [HELD, 'M6', true, false])
    timeline.asking()
    const older = { ...log.page(0, () => true, 1, 'end'), offset: HELD + 5, messages: [messageOf(happened(created(5, {}, { offset: 5 })), happened(created(5)).event as Created)] }
    assert.ok(timeline.prepend(older, 'u1'))
    assert.deepEqual([timeline.messages.length, timeline.first?.id, timeline.after], [HELD, 'M5', true])
  })

  test('a page that was asked for too long ago is asked for again', () => {
    const timeline = new Timeline()
    const log = new Log(seeded(1))
    timeline.asking()
    for (let n = 1; n <= RECORDED + 1; n++) timeline.message(happened(created(n, {}, { offset: n })), 'u1')
    assert.equal(timeline.replace(log.page(0, () => true, 1, 'end'), 'u1'), false)
    timeline.asking()
    assert.equal(timeline.replace({ ...log.page(0, () => true, 1, 'end'), offset: RECORDED + 1 }, 'u1'), true)
  })

  test('what waits for snapshots is bounded, and what had to be dropped counts as torn', () => {
    const keep = new Keep(2)
    for (const [channel, n] of [['a', 1], ['b', 2], ['b', 3], ['b', 4]] as const) keep.put(channel, { message: happened(created(n)) })
    assert.equal(keep.take('b'), 'torn')
    assert.equal((keep.take('a') as unknown[]).length, 1)
    keep.put('b', { message: happened(created(5)) })
    assert.equal((keep.take('b') as unknown[]).length, 1, 'with room again it is kept again')
  })

  test('a list whose room had to be dropped while it came asks for that room', () => {
    const following = new Following()
    const log = new Log(seeded(1))
    following.connected('u1')
    const ask = following.next()!
    for (let n = 1; n <= KEPT + 1; n++) following.message(happened(created(n, {}, { offset: n })))
    following.answered(ask, log.snapshot(0))
    assert.equal(following.isLate, true)
    assert.deepEqual(following.next(), { all: false, channels: [ROOM] })
  })

  test('so many rooms are followed as the hub follows', () => {
    const following = new Following()
    following.connected('u1')
    const ask = following.next()!
    const many = Array.from({ length: 500 }, (_, n) => ({ room: room({ channel: `room:${n}` }), me: me(), epoch: 'e1', offset: 1, unread: 0, mentions: 0 }))
    const half = { rooms: many, user: { epoch: 'e1', offset: 1 }, person: { unread: 0, dnd_until: null }, next: 'room:x' }
    assert.deepEqual(following.answered(ask, half), { all: true, after: 'room:x' })
    assert.equal(following.answered(ask, half), undefined)
    assert.equal(following.on, true)
  })

  test('writers are no more than one can read', () => {
    const writers = new Writers()
    for (let n = 0; n < 30; n++) writers.began(`u${n}`, 100 + n)
    assert.equal(writers.users.length, 20)
    assert.equal(writers.next, 100)
    assert.equal(writers.expire(110), true)
    assert.equal(writers.users.length, 9)
  })
})

describe('the reader of events', () => {
  test('takes known events, and gives unknown and broken ones a place without a meaning', () => {
    assert.equal(happened(event(1, 'room.updated', { set: {} })).event?.event, 'room.updated')
    for (const [name, data] of [['room.dreamed', {}], ['toString', {}], ['message.created', { text: 1 }], ['reaction.changed', { message: 'M', emoji: 'x', user: 'u', mine: -1, count: 0 }]] as const) {
      const it = happened(event(7, name, data))
      assert.deepEqual([it.event, it.offset], [undefined, 7], name)
    }
    assert.equal(read(event(1, 'x', {}, { data: { text: 'not of a room' } }) as Message), undefined)
    assert.equal(read(event(1, 'x', {}, { data: null }) as Message), undefined)
  })

  test('gaps and frames of channels that are not in the list change nothing', () => {
    const following = new Following()
    following.connected('u1')
    following.answered(following.next()!, new Log(seeded(1)).snapshot(0))
    following.gap(gap(1, 1, 'chat:x') as Gap)
    following.message(happened(event(1, 'room.updated', { set: {} }, { channel: 'room:x' })))
    following.message(happened(own(1, 'member.notify', { channel: 'room:x', level: 'none' })))
    assert.equal(following.next(), undefined)
  })
})

describe('members', () => {
  const member = (user: string, fields: object = {}): Member => ({ user, role: 'member', state: 'joined', since: 1, muted_until: null, ...fields })
  const answer = (members: Member[], offset: number, next?: string): MembersAnswer => ({ members, epoch: 'e1', offset, ...(next !== undefined && { next }) })
  const hear = (members: Members, offset: number, name: string, data: object, fields: object = {}): string =>
    members.message(happened(event(offset, name, data, fields)), 'u1')
  const shown = (members: Members): unknown[] => members.members.map(({ user, state, read }) => (read === undefined ? [user, state] : [user, state, read]))

  test('others see who is there and what they have read, as far as pages go', () => {
    const members = new Members()
    assert.equal(hear(members, 12, 'member.joined', { user: 'u5', role: 'member', since: 1, members: 1, read: 0, mentions_all_read: 0 }), 'same')
    members.page(answer([member('u1', { read: 1 }), member('u3', { read: 0 })], 20, 'u3'), true, 'u1', 'member')
    assert.equal(hear(members, 20, 'read.moved', { user: 'u3', ordinal: 9, mentions_read: 0, mentions_all_read: 0 }), 'same', 'known already')
    assert.equal(hear(members, 21, 'member.joined', { user: 'u2', role: 'member', since: 1, members: 1, read: 4, mentions_all_read: 0 }), 'changed')
    assert.equal(hear(members, 22, 'member.joined', { user: 'u4', role: 'member', since: 1, members: 1, read: 4, mentions_all_read: 0 }), 'same', 'on a page that was not had')
    members.message(happened(created(7, {}, { offset: 23, from: 'u3' })), 'u1')
    assert.deepEqual(shown(members), [['u1', 'joined', 1], ['u2', 'joined', 4], ['u3', 'joined', 7]])
    assert.equal(hear(members, 24, 'member.banned', { user: 'u2', until: null, members: 1 }), 'changed')
    assert.deepEqual(shown(members), [['u1', 'joined', 1], ['u3', 'joined', 7]])
    assert.equal(members.after, 'u3')
  })

  test('moderators see who is banned as well, and become so by asking again', () => {
    const members = new Members()
    members.page(answer([member('u1', { role: 'moderator' }), member('u2')], 20), true, 'u1', 'moderator')
    assert.equal(hear(members, 21, 'member.banned', { user: 'u2', until: 5, members: 1 }), 'changed')
    assert.equal(hear(members, 22, 'member.invited', { user: 'u3', role: 'member' }), 'changed')
    assert.deepEqual(shown(members), [['u1', 'joined'], ['u2', 'banned'], ['u3', 'invited']])
    assert.equal(hear(members, 23, 'member.changed', { user: 'u1', role: 'member' }), 'torn')
    assert.equal(hear(members, 24, 'room.updated', { set: { receipts: true } }), 'torn')
    assert.equal(hear(members, 25, 'room.updated', { set: { topic: 't' } }), 'same')
  })

  test('a page that is older than what came is made right', () => {
    const members = new Members()
    members.asking()
    hear(members, 21, 'member.left', { user: 'u2', members: 1, reason: 'left' })
    assert.ok(members.page(answer([member('u1'), member('u2')], 20), true, 'u1', 'member'))
    assert.deepEqual(shown(members), [['u1', 'joined']])
  })
})

describe('who is present', () => {
  const snapshot = (version: number, users: string[], fields: object = {}): never =>
    ({ version, count: users.length, users: users.map((user) => ({ user, connections: 1 })), ...fields }) as never
  const change = (version: number, name: string, user: string): never => ({ channel: ROOM, version, event: name, user }) as never

  test('changes follow the version, and one that is left out asks again', () => {
    const roster = new Roster()
    assert.deepEqual([roster.presence], [undefined])
    roster.asking()
    assert.equal(roster.change(change(4, 'join', 'u2')), false)
    assert.equal(roster.snapshot(snapshot(3, ['u1'])), false)
    assert.deepEqual(roster.presence, { count: 2, users: ['u1', 'u2'], large: false })
    assert.equal(roster.change(change(4, 'join', 'u2')), false)
    assert.equal(roster.change(change(6, 'leave', 'u1')), true)
    roster.asking()
    assert.equal(roster.presence?.count, 2, 'the old list is shown until the new one is there')
    assert.equal(roster.snapshot(snapshot(7, ['u2'])), false)
    assert.deepEqual(roster.presence?.users, ['u2'])
  })

  test('in a large room there are counts, and a change of one tells that it is not large any more', () => {
    const roster = new Roster()
    roster.snapshot(snapshot(9, [], { count: 2_000, large: true }))
    assert.equal(roster.counted({ channel: ROOM, version: 10, count: 1_900 }), false)
    assert.deepEqual(roster.presence, { count: 1_900, users: [], large: true })
    assert.equal(roster.change(change(11, 'leave', 'u1')), true)
    roster.asking()
    roster.snapshot(snapshot(12, ['u2']))
    assert.equal(roster.counted({ channel: ROOM, version: 13, count: 5 }), true)
  })
})
