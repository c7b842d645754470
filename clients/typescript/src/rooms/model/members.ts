// The members of a room as far as they were asked for, by id, and what events make of them. Pure.

import type { Happened } from '../events.js'
import type { Member } from '../words.js'
import { memberAfter } from './room.js'
import { RECORDED } from './timeline.js'

/** Most members that are held: further pages are not taken. */
export const MEMBERS = 10_000

export class Members {
  #held = new Map<string, Member>()
  /** Pages were had up to this user; undefined when all were. */
  #upTo: string | undefined = ''
  #recorded: Happened[] | undefined
  #sorted: readonly Member[] | undefined

  get members(): readonly Member[] {
    this.#sorted ??= [...this.#held.values()].sort((a, b) => (a.user < b.user ? -1 : 1))
    return this.#sorted
  }

  /** Behind whom the next page begins; undefined when there is none. */
  get after(): string | undefined {
    return this.#held.size < MEMBERS ? this.#upTo : undefined
  }

  asking(): void {
    this.#recorded = []
  }

  /** The next page. What happened since it was asked for is done again: that changes nothing twice. */
  page(members: readonly Member[], next: string | undefined, all: boolean): boolean {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    if (recorded.length > RECORDED) return false
    for (const member of members) this.#held.set(member.user, member)
    this.#upTo = next
    this.#sorted = undefined
    for (const happened of recorded) this.message(happened, all)
    return true
  }

  /** Begins again: what is held may be wrong. */
  reset(): void {
    this.#held.clear()
    this.#upTo = ''
    this.#sorted = undefined
  }

  /** Whether something changed. `all`: also who was banned or went is held, as moderators see it. */
  message(happened: Happened, all: boolean): boolean {
    const { event } = happened
    if (event === undefined || !('user' in event) || event.event === 'typing' || event.event === 'reaction.changed') return false
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
    const known = this.#held.get(event.user)
    const was = known ?? (this.#isLoaded(event.user) ? stranger(event.user) : undefined)
    if (was === undefined) return false
    const now = memberAfter(was, happened)
    if (now === was) return false
    if (all || now.state === 'joined') this.#held.set(now.user, now)
    else if (!this.#held.delete(now.user)) return false
    this.#sorted = undefined
    return true
  }

  #isLoaded(user: string): boolean {
    return this.#upTo === undefined || user <= this.#upTo
  }
}

function stranger(user: string): Member {
  return { user, role: 'member', state: 'left', since: 0, muted_until: null }
}
