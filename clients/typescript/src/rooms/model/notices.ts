// The notices of the inbox: pages, newest first, and what the events behind them make of them. Pure.

import { Cursor, type Verdict } from '../../channel/cursor.js'
import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { InboxAnswer } from '../operations.js'
import type { Notice } from '../words.js'
import { HELD, RECORDED } from './timeline.js'

/** A notice, and the offset up to which what happened to it is in it. */
interface Held {
  is: Notice
  asOf: number
}

export class Notices {
  #held: Held[] = []
  #cursor = new Cursor()
  #loaded = false
  #before = false
  #recorded: Happened[] | undefined
  #notices: readonly Notice[] | undefined

  get notices(): readonly Notice[] {
    this.#notices ??= this.#held.map(({ is }) => is)
    return this.#notices
  }

  /** Those that are still of use at a time. */
  current(now: number): readonly Notice[] {
    const isOver = ({ expires }: Notice): boolean => expires !== undefined && expires <= now
    if (this.notices.some(isOver)) {
      this.#held = this.#held.filter(({ is }) => !isOver(is))
      this.#notices = undefined
    }
    return this.notices
  }

  get loaded(): boolean {
    return this.#loaded
  }

  get before(): boolean {
    return this.#before
  }

  get position(): { epoch: string; offset: number } | undefined {
    return this.#cursor.position
  }

  /** The offset of the oldest one. */
  get oldest(): number | undefined {
    return this.#held.at(-1)?.is.offset
  }

  /** A page is being asked for: what happens from now on may be missing in it. */
  asking(): void {
    this.#recorded = []
  }

  /** A page of at most `limit`: the newest one, or one behind the oldest. False when it has to be asked for again. */
  page(answer: InboxAnswer, limit: number, newest: boolean): boolean {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    if (recorded.length > RECORDED) return false
    this.#notices = undefined
    this.#before = answer.notices.length >= limit
    const page = answer.notices.map((is) => ({ is, asOf: answer.offset }))
    if (!newest) {
      this.#held = [...this.#held, ...recorded.reduce(heldAfter, page)].slice(0, HELD)
      return true
    }
    this.#loaded = true
    this.#held = page
    this.#cursor = new Cursor({ epoch: answer.epoch, offset: answer.offset })
    return recorded.every((happened) => this.message(happened) !== 'hole')
  }

  /** Something happened in the own channel. */
  message(happened: Happened): Verdict {
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
    if (!this.#loaded) return 'seen'
    const verdict = this.#cursor.message(happened)
    if (verdict !== 'next') return verdict
    const held = heldAfter(this.#held, happened)
    this.#held = added(held, happened)
    this.#notices = undefined
    return verdict
  }

  gap(gap: Gap): Verdict {
    return this.#loaded ? this.#cursor.gap(gap) : 'seen'
  }
}

/** What is held behind an event, without the notice that it brings. */
function heldAfter(held: Held[], { event, offset = 0 }: Happened): Held[] {
  if (event?.event === 'inbox.added') return held.filter(({ is }) => is.id !== event.replaces)
  if (event?.event !== 'inbox.read') return held
  const isRead = (is: Notice): boolean => is.id === event.notice || is.offset <= (event.upto ?? -1)
  return held.map((one) => (offset > one.asOf && !one.is.read && isRead(one.is) ? { is: { ...one.is, read: true }, asOf: offset } : one))
}

function added(held: Held[], { event, offset = 0 }: Happened): Held[] {
  if (event?.event !== 'inbox.added') return held
  return [{ is: event.notice, asOf: offset }, ...held].slice(0, HELD)
}
