// The window of messages that a conversation shows: pages of the log in one piece, and what the events behind them make
// of them. Pure: says whether what comes fits, and asks nobody.

import { Cursor, type Verdict } from '../../channel/cursor.js'
import type { Gap, Position } from '../../protocol/frames.js'
import type { Happened } from '../events.js'
import type { MessagesAnswer } from '../operations.js'
import type { RoomMessage } from '../words.js'
import { messageAfter, messageOf } from './message.js'

/** Most messages that are held. Beyond, those at the far end are let go and can be loaded again. */
export const HELD = 1_000
/** Most events that are remembered while a page is asked for. With more, the page is asked for again. */
export const RECORDED = 1_000

/** A message, and the offset up to which what happened to it is in it. */
interface Held {
  is: RoomMessage
  asOf: number
}

export class Timeline {
  /** The message that everything here hangs under; undefined for a room. */
  readonly #thread: string | undefined
  #held: Held[] = []
  #cursor = new Cursor()
  #loaded = false
  #before = false
  #after = false
  /** With `after` false: the offset up to which the end of the log is held. */
  #endAsOf = 0
  /** What happened since a page was asked for. */
  #recorded: Happened[] | undefined
  #messages: readonly RoomMessage[] | undefined

  constructor(thread?: string) {
    this.#thread = thread
  }

  /** Ascending, without holes. The same array as long as nothing changes. */
  get messages(): readonly RoomMessage[] {
    this.#messages ??= this.#held.map(({ is }) => is)
    return this.#messages
  }

  get loaded(): boolean {
    return this.#loaded
  }

  /** Whether there are older ones, and newer ones. */
  get before(): boolean {
    return this.#before
  }

  get after(): boolean {
    return this.#after
  }

  get position(): Position | undefined {
    return this.#cursor.position
  }

  get first(): RoomMessage | undefined {
    return this.#held[0]?.is
  }

  get last(): RoomMessage | undefined {
    return this.#held.at(-1)?.is
  }

  /** A page is being asked for: what happens from now on may be missing in it. */
  asking(): void {
    this.#recorded = []
  }

  /** The window becomes this page. False when it has to be asked for again. */
  replace(page: MessagesAnswer, viewer: string): boolean {
    const recorded = this.#takeRecorded()
    if (recorded === undefined) return false
    this.#loaded = true
    this.#held = heldOf(page)
    this.#before = page.before
    this.#after = page.after
    this.#endAsOf = page.offset
    this.#cursor = new Cursor({ epoch: page.epoch, offset: page.offset })
    this.#messages = undefined
    return recorded.every((happened) => this.message(happened, viewer) !== 'hole')
  }

  /** Adds a page of older messages. False when it has to be asked for again. */
  prepend(page: MessagesAnswer, viewer: string): boolean {
    const older = this.#caughtUp(page, viewer, false)
    if (older === undefined) return false
    this.#held = [...older, ...this.#held]
    this.#before = page.before
    this.#trim('end')
    return true
  }

  /** Adds a page of newer messages. False when it has to be asked for again. */
  append(page: MessagesAnswer, viewer: string): boolean {
    const newer = this.#caughtUp(page, viewer, !page.after)
    if (newer === undefined) return false
    this.#held = [...this.#held, ...newer]
    this.#after = page.after
    this.#endAsOf = Math.max(page.offset, this.#cursor.position?.offset ?? 0)
    this.#trim('beginning')
    return true
  }

  /** Something happened in the room. `viewer` is who looks. */
  message(happened: Happened, viewer: string): Verdict {
    if (happened.offset === undefined) return 'next'
    this.#record(happened)
    if (!this.#loaded) return 'seen'
    const verdict = this.#cursor.message(happened)
    if (verdict === 'next') this.#apply(happened, viewer)
    return verdict
  }

  gap(gap: Gap): Verdict {
    return this.#loaded ? this.#cursor.gap(gap) : 'seen'
  }

  #apply(happened: Happened, viewer: string): void {
    const held = this.#held
    this.#held = heldAfter(held, happened, viewer)
    const created = this.#createdBy(happened)
    if (created !== undefined && !this.#after && created.offset > this.#endAsOf) {
      this.#held = [...this.#held, { is: created, asOf: created.offset }]
      this.#trim('beginning')
    }
    if (this.#held !== held) this.#messages = undefined
  }

  /** The message that was made here by this. */
  #createdBy(happened: Happened): RoomMessage | undefined {
    const { event } = happened
    if (event?.event !== 'message.created' || event.thread !== this.#thread) return undefined
    return messageOf(happened, event)
  }

  /** The messages of a page behind everything that has happened, new ones with it at the end; undefined when that is not known. */
  #caughtUp(page: MessagesAnswer, viewer: string, atEnd: boolean): Held[] | undefined {
    const recorded = this.#takeRecorded()
    if (recorded === undefined) return undefined
    this.#messages = undefined
    let held = heldOf(page)
    for (const happened of recorded) {
      held = heldAfter(held, happened, viewer)
      const created = atEnd ? this.#createdBy(happened) : undefined
      if (created !== undefined && created.offset > page.offset) held = [...held, { is: created, asOf: created.offset }]
    }
    return held
  }

  #record(happened: Happened): void {
    // One more than the bound says that something was left out.
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
  }

  #takeRecorded(): Happened[] | undefined {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    return recorded.length > RECORDED ? undefined : recorded
  }

  #trim(end: 'beginning' | 'end'): void {
    if (this.#held.length <= HELD) return
    if (end === 'beginning') {
      this.#held = this.#held.slice(-HELD)
      this.#before = true
    } else {
      this.#held = this.#held.slice(0, HELD)
      this.#after = true
    }
  }
}

function heldOf({ messages, offset }: MessagesAnswer): Held[] {
  return messages.map((is) => ({ is, asOf: offset }))
}

/** Everything that is held, behind an event. The same array when it changes nothing. */
function heldAfter(held: Held[], happened: Happened, viewer: string): Held[] {
  const { offset = 0 } = happened
  let changed = false
  const now = held.flatMap((one) => {
    if (offset <= one.asOf) return one
    const is = messageAfter(one.is, happened, viewer)
    if (is === one.is) return one
    changed = true
    return is === undefined ? [] : { is, asOf: offset }
  })
  return changed ? now : held
}
