// Keeps the list of rooms right: which snapshot to ask for, what to keep while it comes, and what tears it. Pure; who
// asks is in ../live/follower.ts.

import type { Verdict } from '../../channel/cursor.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { RoomsAnswer } from '../operations.js'
import { Keep, type Kept } from './kept.js'
import { RoomList } from './list.js'

/** What to ask the hub for: the whole list, a page at a time, or some rooms of it. Always to be followed. */
export type Ask = { all: true; after: string | undefined } | { all: false; channels: string[] }

/** Most rooms that are followed at once; the hub follows no more. */
export const FOLLOWED = 1_000
/** Most rooms that are asked for again at once. */
const AGAIN = 100

export class Following {
  readonly list = new RoomList()
  /** Who one is; empty before the first connection. */
  viewer = ''
  readonly #keep = new Keep()
  #all: 'off' | 'wanted' | 'asking' | 'on' = 'off'
  #pages: RoomsAnswer[] = []
  /** Rooms that are asked for, and those that have to be (again) once that was answered. */
  #asked = new Set<string>()
  #again = new Set<string>()
  #late = false

  /** Whether the list is the one of this connection. */
  get on(): boolean {
    return this.#all === 'on'
  }

  /** Whether the last answer was older than what had come with it, so that asking at once would not help. */
  get isLate(): boolean {
    return this.#late
  }

  get own(): string {
    return `user:${this.viewer}`
  }

  connected(viewer: string): void {
    this.lost()
    if (this.viewer !== '' && this.viewer !== viewer) this.list.replace([])
    this.viewer = viewer
    this.#all = 'wanted'
  }

  lost(): void {
    this.#all = 'off'
    this.#asked.clear()
    this.#again.clear()
    this.#keep.clear()
  }

  /** What to ask for now, if anything. It counts as asked. */
  next(): Ask | undefined {
    if (this.#all === 'wanted') {
      this.#all = 'asking'
      this.#pages = []
      this.#again.clear()
      return { all: true, after: undefined }
    }
    if (this.#all !== 'on' || this.#asked.size > 0 || this.#again.size === 0) return undefined
    this.#asked = new Set([...this.#again].slice(0, AGAIN))
    for (const channel of this.#asked) this.#again.delete(channel)
    return { all: false, channels: [...this.#asked] }
  }

  /** The hub answered. The next page to ask for at once, if there is one. */
  answered(ask: Ask, answer: RoomsAnswer): Ask | undefined {
    this.#late = false
    if (!ask.all) {
      this.#refreshed(answer)
      return undefined
    }
    this.#pages.push(answer)
    const count = this.#pages.reduce((sum, { rooms }) => sum + rooms.length, 0)
    if (answer.next !== undefined && count < FOLLOWED) return { all: true, after: answer.next }
    this.#all = 'on'
    this.list.replace(this.#pages)
    this.#pages = []
    for (const channel of this.#keep.channels()) this.#replay(channel)
    return undefined
  }

  /** The hub did not answer or will not. Without `retry`, what is torn stays so until something else comes of it. */
  failed(ask: Ask, retry: boolean): void {
    if (ask.all) {
      if (retry) this.#all = 'wanted'
      else this.lost()
      return
    }
    if (retry) for (const channel of this.#asked) this.#again.add(channel)
    else for (const channel of this.#asked) this.#keep.take(channel)
    this.#asked.clear()
  }

  /** Asks for a room again. */
  tear(channel: string): void {
    if (this.#all === 'off') return
    if (channel === this.own) this.#all = 'wanted'
    else this.#again.add(channel)
  }

  message(happened: Happened): void {
    // What has no place in the log changes nothing that is remembered.
    if (happened.offset === undefined || this.#all === 'off') return
    const { channel } = happened
    if (this.#waits(channel)) return this.#keep.put(channel, { message: happened })
    if (channel === this.own) return this.#own(happened)
    this.#judge(channel, this.list.message(happened, this.viewer), { message: happened })
  }

  gap(gap: Gap): void {
    if (this.#all === 'off') return
    if (this.#waits(gap.channel)) return this.#keep.put(gap.channel, { gap })
    const own = gap.channel === this.own
    const verdict = own ? this.list.ownGap(gap) : this.list.gap(gap)
    // Also a gap in its place tears: what changed by it is not known.
    if (verdict === undefined || verdict === 'seen') return
    this.#late = true
    this.tear(gap.channel)
  }

  /** Whether what comes of a channel has to wait for a snapshot. */
  #waits(channel: string): boolean {
    return this.#all !== 'on' || this.#asked.has(channel) || this.#again.has(channel)
  }

  #own(happened: Happened): void {
    // An answer that is under way may be older than this.
    if (this.#asked.size > 0) this.#keep.put(this.own, { message: happened })
    const verdict = this.list.own(happened)
    if (verdict === 'next') this.#comesOrGoes(happened)
    else this.#judge(this.own, verdict, { message: happened })
  }

  #comesOrGoes({ event }: Happened): void {
    switch (event?.event) {
      case 'room.joined':
        return this.tear(event.channel)
      case 'room.left':
        if (this.#asked.has(event.channel) || this.#again.has(event.channel)) return this.tear(event.channel)
        return this.list.remove(event.channel)
      case 'inbox.added':
        // One is in the list from the invitation on.
        if (event.notice.what === 'invitation' && event.notice.channel !== undefined) this.tear(event.notice.channel)
    }
  }

  #judge(channel: string, verdict: Verdict | undefined, kept: Kept): void {
    if (verdict !== 'hole') return
    this.#late = true
    this.tear(channel)
    this.#keep.put(channel, kept)
  }

  #refreshed(answer: RoomsAnswer): void {
    const channels = [...this.#asked]
    this.list.refresh(channels, answer)
    this.#asked.clear()
    const own = this.#keep.take(this.own)
    for (const kept of own === 'torn' ? [] : own) {
      if ('message' in kept) this.list.ownOf(kept.message)
    }
    for (const channel of channels) this.#replay(channel)
  }

  /** What was kept of a channel, behind its new snapshot. */
  #replay(channel: string): void {
    const kept = this.#keep.take(channel)
    if (kept === 'torn') {
      this.#late = true
      return this.tear(channel)
    }
    for (const one of kept) {
      if ('message' in one) this.message(one.message)
      else this.gap(one.gap)
    }
  }
}
