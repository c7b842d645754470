// The threads that one follows: snapshots, and what the events behind them make of them. Pure: says when they have to be
// asked for again.

import { Cursor, type Verdict } from '../../channel/cursor.js'
import type { Position } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { AnswerOf, ThreadEntry } from '../operations.js'
import type { RoomMessage } from '../words.js'
import { isKnown } from './entry.js'
import { messageAfter } from './message.js'
import { Standing } from './standing.js'
import { RECORDED } from './timeline.js'

/** A thread that one follows. As long as nothing in it changes it is the same object. */
export interface FollowedThread {
  readonly channel: string
  /** The message that it hangs under, with the number of its `replies`. */
  readonly thread: Readonly<RoomMessage>
  readonly unread: number
  readonly mentions: number
}

interface Followed {
  channel: string
  root: RoomMessage
  standing: Standing
  cursor: Cursor
  /** With which position of the own channel this is a snapshot. */
  own: Position
  shown: FollowedThread | undefined
}

export class ThreadList {
  #threads = new Map<string, Followed>()
  #own = new Cursor()
  #loaded = false
  #recorded: Happened[] | undefined
  #sorted: readonly FollowedThread[] | undefined

  /** The one with the newest reply first. The same array as long as nothing changes. */
  get threads(): readonly FollowedThread[] {
    this.#sorted ??= [...this.#threads.values()].filter(({ standing }) => standing.place.following).map(shown).sort(newestFirst)
    return this.#sorted
  }

  get loaded(): boolean {
    return this.#loaded
  }

  /** They are being asked for: what happens from now on may be missing in the answer. */
  asking(): void {
    this.#recorded = []
  }

  /** All of them, in pages. False when they have to be asked for again. */
  replace(pages: readonly AnswerOf<'threads'>[], viewer: string): boolean {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    if (recorded.length > RECORDED) return false
    this.#loaded = true
    this.#sorted = undefined
    // The first page is the oldest: what happened since is still to come.
    this.#own = new Cursor(pages[0]?.user)
    this.#threads = new Map(pages.flatMap(({ threads, user }) => threads.map((entry) => [nameOf(entry.channel, entry.thread.id), followed(entry, user)])))
    return !recorded.map((happened) => this.message(happened, viewer)).includes('torn')
  }

  /** Something happened in a room or in the own channel (`own`). Whether they have to be asked for again. */
  message(happened: Happened, viewer: string): 'torn' | undefined {
    if (happened.offset === undefined) return undefined
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
    if (!this.#loaded) return undefined
    return (happened.channel === `user:${viewer}` ? this.#hearOwn(happened) : this.#hearRoom(happened, viewer)) ? 'torn' : undefined
  }

  #hearOwn(happened: Happened): boolean {
    const verdict = this.#own.message(happened)
    if (verdict !== 'next') return verdict === 'hole'
    const { event } = happened
    for (const [name, thread] of this.#threads) {
      const { place } = thread.standing
      if (event?.event === 'room.left' && event.channel === thread.channel) this.#remove(name)
      else if (!isKnown(thread.own, happened)) thread.standing.own(happened)
      if (place !== thread.standing.place) this.#changed(thread)
    }
    // Only the hub knows those of a room that one comes back to, and one that began to be followed.
    if (event?.event === 'room.joined') return true
    return event?.event === 'thread.followed' && event.following && !this.#threads.has(nameOf(event.channel, event.thread))
  }

  #hearRoom(happened: Happened, viewer: string): boolean {
    const { channel, event } = happened
    const verdicts = [...this.#threads].filter(([, thread]) => thread.channel === channel).map(([name, thread]) => this.#hear(name, thread, happened, viewer))
    if (verdicts.includes('hole')) return true
    if (event?.event !== 'message.created' || event.thread === undefined) return false
    return event.follows?.includes(viewer) === true && !this.#threads.has(nameOf(channel, event.thread))
  }

  #hear(name: string, thread: Followed, happened: Happened, viewer: string): Verdict {
    const verdict = thread.cursor.message(happened)
    if (verdict !== 'next') return verdict
    const { place } = thread.standing
    if (happened.event?.event === 'message.created') thread.standing.said(happened.event, happened, viewer)
    const root = messageAfter(thread.root, happened, viewer)
    if (root === undefined) this.#remove(name)
    else if (root !== thread.root || place !== thread.standing.place) {
      thread.root = root
      this.#changed(thread)
    }
    return verdict
  }

  #remove(name: string): void {
    this.#threads.delete(name)
    this.#sorted = undefined
  }

  #changed(thread: Followed): void {
    thread.shown = undefined
    this.#sorted = undefined
  }
}

const nameOf = (channel: string, thread: string): string => `${channel} ${thread}`

function followed({ channel, thread, read, mentions, mentions_read, epoch, offset }: ThreadEntry, own: Position): Followed {
  const place = { root: thread.id, following: true, read, mentions: mentions + mentions_read, mentions_read }
  return { channel, root: thread, standing: new Standing(channel, place, offset), cursor: new Cursor({ epoch, offset }), own, shown: undefined }
}

function shown(followed: Followed): FollowedThread {
  const { channel, root: thread, standing } = followed
  const { read, mentions, mentions_read } = standing.place
  followed.shown ??= { channel, thread, unread: Math.max(0, thread.replies - read), mentions: Math.max(0, mentions - mentions_read) }
  return followed.shown
}

function newestFirst(a: FollowedThread, b: FollowedThread): number {
  return newsOf(b) - newsOf(a) || (nameOf(a.channel, a.thread.id) < nameOf(b.channel, b.thread.id) ? -1 : 1)
}

const newsOf = ({ thread }: FollowedThread): number => thread.replied ?? thread.time
