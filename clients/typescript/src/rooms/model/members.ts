// The members of a room as far as they were asked for, by id, and what events make of them. Pure: says when they have to
// be asked for again.

import type { Happened } from '../events.js'
import type { MembersAnswer } from '../operations.js'
import type { Member, Role } from '../words.js'
import { isOfMember, memberAfter } from './room.js'
import { RECORDED } from './timeline.js'

/** Most members that are held: further pages are not taken. */
export const MEMBERS = 10_000

/** A member, and the offset up to which what happened to them is in it. */
interface Held {
  is: Member
  asOf: number
}

export class Members {
  #held = new Map<string, Held>()
  /** Pages were had up to this user; undefined when all were. */
  #upTo: string | undefined = ''
  /** Whether the room tells who has read. */
  #receipts = false
  /** Whether one sees also who is invited, who went and who is banned. */
  #all = false
  #recorded: Happened[] | undefined
  #sorted: readonly Member[] | undefined

  get members(): readonly Member[] {
    this.#sorted ??= [...this.#held.values()].map(({ is }) => is).sort((a, b) => (a.user < b.user ? -1 : 1))
    return this.#sorted
  }

  /** Behind whom the next page begins; undefined when there is none. */
  get after(): string | undefined {
    return this.#held.size < MEMBERS ? this.#upTo : undefined
  }

  /** A page is being asked for: what happens from now on may be missing in it. */
  asking(): void {
    this.#recorded = []
  }

  /** The first page, or the one behind the last, as `viewer` with this role sees it. False when it has to be asked for again. */
  page({ members, offset, next }: MembersAnswer, first: boolean, viewer: string, role: Role | undefined): boolean {
    const recorded = this.#recorded ?? []
    this.#recorded = undefined
    if (recorded.length > RECORDED) return false
    if (first) this.#held.clear()
    for (const is of members) this.#held.set(is.user, { is, asOf: offset })
    this.#upTo = next
    this.#receipts = (this.#receipts && !first) || members.some(({ read }) => read !== undefined)
    this.#all = keepsOrder(role)
    this.#sorted = undefined
    return recorded.every((happened) => this.message(happened, viewer) !== 'torn')
  }

  /** Whether something changed, or what is held is not what one would see now. */
  message(happened: Happened, viewer: string): 'same' | 'changed' | 'torn' {
    const { event, from } = happened
    if (this.#recorded !== undefined && this.#recorded.length <= RECORDED) this.#recorded.push(happened)
    if (this.#upTo === '' || event === undefined) return 'same'
    // What everybody has read until then was not told, or is not told any more.
    if (event.event === 'room.updated' && event.set.receipts !== undefined) return event.set.receipts === this.#receipts ? 'same' : 'torn'
    if (event.event === 'message.created' && event.thread === undefined && from !== undefined) return this.#read(from, event.ordinal, happened)
    if (event.event === 'read.moved' && event.thread === undefined) return this.#read(event.user, event.ordinal, happened)
    if (!('user' in event) || !isOfMember(happened, event.user)) return 'same'
    if (event.user === viewer && event.event === 'member.changed' && keepsOrder(event.role) !== this.#all) return 'torn'
    return this.#change(event.user, happened)
  }

  #change(user: string, happened: Happened): 'same' | 'changed' {
    const { event, time, offset = 0 } = happened
    const known = this.#held.get(user)
    if ((known !== undefined && offset <= known.asOf) || !this.#isLoaded(user)) return 'same'
    const now = memberAfter(known?.is ?? newcomer(user, time), happened)
    const { read: _, ...others } = now
    // Up to where somebody has read is told of those who are there.
    const is = now.state !== 'joined' ? others : event?.event === 'member.joined' && this.#receipts ? { ...now, read: event.read } : now
    if (this.#all || is.state === 'joined') this.#held.set(user, { is, asOf: offset })
    else if (!this.#held.delete(user)) return 'same'
    this.#sorted = undefined
    return 'changed'
  }

  #read(user: string, read: number, { offset = 0 }: Happened): 'same' | 'changed' {
    const known = this.#held.get(user)
    if (!this.#receipts || known === undefined || offset <= known.asOf) return 'same'
    this.#held.set(user, { is: { ...known.is, read }, asOf: offset })
    this.#sorted = undefined
    return 'changed'
  }

  #isLoaded(user: string): boolean {
    return this.#upTo === undefined || user <= this.#upTo
  }
}

function keepsOrder(role: Role | undefined): boolean {
  return role === 'owner' || role === 'moderator'
}

function newcomer(user: string, time: number): Member {
  return { user, role: 'member', state: 'left', since: time, muted_until: null }
}
