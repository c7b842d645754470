// The models of rooms put together from answers of the hub, fed with frames and compared with later answers. It knows
// how answers and models fit, and no rule of what an event changes.

import assert from 'node:assert/strict'
import type { Gap, Message } from '../src/index.js'
import { type Happened, read } from '../src/rooms/events.js'
import { Entry } from '../src/rooms/model/entry.js'
import { Following } from '../src/rooms/model/following.js'
import { mentionsOf, unreadOf } from '../src/rooms/model/room.js'
import { Notices } from '../src/rooms/model/notices.js'
import { ThreadState } from '../src/rooms/model/thread.js'
import { Timeline } from '../src/rooms/model/timeline.js'
import type { InboxAnswer, MessagesAnswer, RoomsAnswer } from '../src/rooms/operations.js'

/** Answers of one moment. Threads are named `<channel> <root id>`. */
export interface Answers {
  rooms: RoomsAnswer
  messages: { [channel: string]: MessagesAnswer }
  threads: { [name: string]: MessagesAnswer }
  inbox: InboxAnswer
}

export type Frame = ({ type: 'message' } & Message) | ({ type: 'gap' } & Gap)

/** One line of a file of cases. */
export interface Case {
  name?: string
  viewer: string
  before: Answers
  events: Frame[]
  after: Answers
}

interface Page {
  timeline: Timeline
  /** The room and oneself that the page came with. */
  entry: Entry
  /** Of a thread. */
  state: ThreadState | undefined
}

export class Model {
  readonly following = new Following()
  readonly #pages = new Map<string, Page>()
  readonly #notices = new Notices()
  readonly #viewer: string
  readonly #limit: number

  constructor(viewer: string, before: Answers) {
    this.#viewer = viewer
    this.#limit = Math.max(20, before.inbox.notices.length)
    this.following.connected(viewer)
    this.following.next()
    const { next: _, ...all } = before.rooms
    this.following.answered({ all: true, after: undefined }, all)
    for (const [name, page] of Object.entries({ ...before.messages, ...before.threads })) {
      const [channel = '', thread] = name.split(' ')
      const timeline = new Timeline(thread)
      timeline.replace(page, viewer)
      const state = thread === undefined ? undefined : new ThreadState(channel)
      state?.page(page, viewer)
      this.#pages.set(name, { timeline, entry: new Entry(page, page.user ?? before.rooms.user), state })
    }
    this.#notices.page(before.inbox, this.#limit, true)
  }

  hear(frame: Frame): void {
    if (frame.type === 'gap') return this.following.gap(frame)
    const happened = read(frame)
    if (happened === undefined) return
    this.following.message(happened)
    if (happened.channel === this.following.own) this.#own(happened)
    for (const [name, { timeline, entry, state }] of this.#pages) {
      state?.message(happened, this.#viewer)
      if (name.split(' ')[0] !== happened.channel) continue
      timeline.message(happened, this.#viewer)
      entry.message(happened, this.#viewer)
    }
  }

  /** Fails unless the model says what the answers say, as far as it needs not ask for it. */
  compare(after: Answers): void {
    const next = this.following.next()
    const asked = new Set(next?.all === false ? next.channels : [])
    assert.notEqual(next?.all, true, 'the whole list would have to be asked for again')
    this.#compareRooms(after.rooms, asked)
    for (const [name, page] of Object.entries({ ...after.messages, ...after.threads })) {
      const held = this.#pages.get(name)
      if (held !== undefined && !asked.has(name.split(' ')[0] ?? '')) comparePage(name, held, page)
    }
    const { epoch, offset, notices, person } = after.inbox
    assert.deepEqual(this.#notices.position, { epoch, offset }, 'position of the inbox')
    // What is of no use any more is left out of answers; when that was is not in the case.
    const there = new Set(notices.map(({ id }) => id))
    const held = this.#notices.notices.filter(({ id, expires }) => expires === undefined || there.has(id))
    assert.deepEqual(held.slice(0, notices.length), notices, 'notices')
    assert.deepEqual(this.following.list.person, person, 'person of the inbox')
  }

  #own(happened: Happened): void {
    this.#notices.message(happened)
    const { event } = happened
    if (event === undefined || !('channel' in event)) return
    for (const [name, { entry }] of this.#pages) if (name.split(' ')[0] === event.channel) entry.own(happened)
  }

  #compareRooms(after: RoomsAnswer, asked: Set<string>): void {
    const { list } = this.following
    const known = after.rooms.filter(({ room }) => !asked.has(room.channel))
    for (const answer of known) {
      const entry = list.entry(answer.room.channel)
      assert.ok(entry, `${answer.room.channel} is missing`)
      assert.deepEqual(shown(entry), answer)
    }
    const channels = list.listed.map(({ channel }) => channel).filter((channel) => !asked.has(channel)).sort()
    assert.deepEqual(channels, known.map(({ room }) => room.channel).sort(), 'the rooms of the list')
    assert.deepEqual(list.position, after.user, 'position of the own channel')
    assert.deepEqual(list.person, after.person, 'person')
  }
}

function shown(entry: Entry): unknown {
  const { room, me, position } = entry
  return { room, me, ...position, unread: unreadOf(room, me), mentions: mentionsOf(room, me) }
}

/** The part that both must hold: a hard deletion makes a page reach further back than the model can know. */
function comparePage(name: string, { timeline, entry, state }: Page, after: MessagesAnswer): void {
  const { epoch, offset, messages: page, room, me, root, thread } = after
  assert.deepEqual(timeline.position, { epoch, offset }, `position of ${name}`)
  const held = timeline.messages
  const from = Math.max(timeline.before ? (held[0]?.offset ?? 0) : 0, after.before ? (page[0]?.offset ?? 0) : 0)
  const both = held.filter((message) => message.offset >= from)
  assert.deepEqual(both, page.filter((message) => message.offset >= from), `messages of ${name}`)
  if (page[0] !== undefined && both[0]?.id === page[0].id) {
    assert.equal(timeline.before || held.length > both.length, after.before, `whether there is more before in ${name}`)
  }
  assert.equal(timeline.after, false)
  if (state !== undefined) assert.deepEqual([state.root, state.place], [root, thread], `root and own place of ${name}`)
  assert.deepEqual({ room: entry.room, me: entry.me }, { room, me: me ?? null }, `room and me of ${name}`)
}
