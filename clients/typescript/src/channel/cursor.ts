// Follows the offsets of one channel and judges each message: the next one, seen before, or beyond a hole. Knows no
// socket and no listeners.

import type { Gap, Message, Outcome, Position } from '../protocol/frames.js'

/** `next`: deliver it. `seen`: drop it. `hole`: something before it is missing and nobody said so. */
export type Verdict = 'next' | 'seen' | 'hole'

/** The position behind an outcome, by the one rule of the protocol; undefined without a log. */
export function startOf(outcome: Outcome): Position | undefined {
  const { epoch, offset } = outcome
  if (epoch === undefined || offset === undefined) return undefined
  if (outcome.outcome === 'gap') return { epoch, offset: outcome.to }
  if (outcome.from !== undefined) return { epoch, offset: outcome.from - 1 }
  return { epoch, offset }
}

export class Cursor {
  #position: Position | undefined
  /** How many offsets conflation announced to leave out. */
  #skipped = 0

  constructor(position?: Position) {
    this.#position = position
  }

  /** The last message seen, or where the stream began. */
  get position(): Position | undefined {
    return this.#position
  }

  attach(outcome: Outcome): void {
    this.#position = startOf(outcome)
    this.#skipped = 0
  }

  message(message: Pick<Message, 'epoch' | 'offset'>): Verdict {
    const { epoch, offset } = message
    if (epoch === undefined || offset === undefined) return 'next'
    if (this.#position !== undefined) {
      // A new epoch whose first message is the next one continues: the hub has proven it. Otherwise a gap comes first.
      if (epoch !== this.#position.epoch && offset <= this.#position.offset) return 'hole'
      if (offset <= this.#position.offset) return 'seen'
      if (!this.#leaveOut(offset - this.#position.offset - 1)) return 'hole'
    }
    this.#position = { epoch, offset }
    return 'next'
  }

  gap(gap: Pick<Gap, 'epoch' | 'from' | 'to'>): Verdict {
    if (this.#position !== undefined && gap.epoch === this.#position.epoch) {
      if (gap.to <= this.#position.offset) return 'seen'
      if (!this.#leaveOut(Math.max(0, gap.from - this.#position.offset - 1))) return 'hole'
    }
    this.#position = { epoch: gap.epoch, offset: gap.to }
    return 'next'
  }

  skipped(count: number): void {
    this.#skipped += count
  }

  /** Whether so many missing offsets were announced. */
  #leaveOut(missing: number): boolean {
    if (missing > this.#skipped) return false
    this.#skipped -= missing
    return true
  }
}
