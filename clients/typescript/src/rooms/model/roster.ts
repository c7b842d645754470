// Who is present in a room: a snapshot and the changes behind it, by their versions. Pure; the rules are those of
// docs/PROTOCOL.md.

import type { PresenceChange, PresenceCount, PresenceSnapshot } from '../../protocol/frames.js'

/** Who is here now. */
export interface Presence {
  readonly count: number
  /** By id, at most 1,000; empty where there are too many for a list. */
  readonly users: readonly string[]
  readonly large: boolean
}

/** Most changes that are kept while a snapshot is asked for. */
const KEPT = 1_000

export class Roster {
  #version = 0
  #users = new Set<string>()
  #count = 0
  #large = false
  #known = false
  #kept: PresenceChange[] = []
  #presence: Presence | undefined

  get presence(): Presence | undefined {
    if (this.#known) this.#presence ??= { count: this.#count, users: [...this.#users].sort(), large: this.#large }
    return this.#presence
  }

  /** A snapshot is being asked for: what comes waits for it, and what was known is shown until then. */
  asking(): void {
    void this.presence
    this.#known = false
    this.#kept = []
  }

  /** The answer to the question who is here. True when it has to be asked again. */
  snapshot({ version, count, users, large }: PresenceSnapshot): boolean {
    const kept = this.#kept
    this.#kept = []
    this.#known = true
    this.#presence = undefined
    this.#version = version
    this.#users = new Set(users.map(({ user }) => user))
    this.#count = count
    this.#large = large ?? false
    return kept.map((change) => this.change(change)).includes(true)
  }

  /** True when a snapshot has to be asked for. */
  change(change: PresenceChange): boolean {
    const { version, event, user } = change
    if (!this.#known) {
      if (this.#kept.length < KEPT) this.#kept.push(change)
      return false
    }
    if (version <= this.#version) return false
    if (this.#large || version !== this.#version + 1) return true
    this.#version = version
    if (event === 'join') this.#users.add(user)
    else this.#users.delete(user)
    // Not the size of the list: of one with a next page only a part is held.
    this.#count += event === 'join' ? 1 : -1
    this.#presence = undefined
    return false
  }

  /** True when a snapshot has to be asked for. */
  counted({ version, count }: PresenceCount): boolean {
    if (!this.#known || version <= this.#version) return false
    if (!this.#large) return true
    this.#version = version
    this.#count = count
    this.#presence = undefined
    return false
  }
}
