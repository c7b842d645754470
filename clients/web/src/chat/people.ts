// Who is in a channel: a snapshot and the changes behind it, by their versions. Pure.

import type { PresenceChange, PresenceCount, PresenceSnapshot } from '@hubbub/client'

export class People {
  #users = new Set<string>()
  #version = -1
  #count = 0
  /** The hub keeps no list: it tells counts. */
  #large = false
  /** Changes that came before the snapshot. */
  #early: PresenceChange[] = []

  /** How many there are, also when the hub's list was cut short. */
  get count(): number {
    return this.#count
  }

  get names(): string[] {
    return [...this.#users].sort((a, b) => a.localeCompare(b))
  }

  /** Begins anew: changes wait for the next snapshot. */
  reset(): void {
    this.#version = -1
    this.#early = []
  }

  snapshot({ version, count, users, large }: PresenceSnapshot): void {
    this.#large = large === true
    this.#users = new Set(users.map(({ user }) => user))
    this.#count = count
    this.#version = version
    for (const change of this.#early.splice(0).sort((a, b) => a.version - b.version)) this.change(change)
  }

  /** A count. False when the list is out of date: then it needs a new snapshot. */
  counted({ version, count }: PresenceCount): boolean {
    if (this.#version < 0 || version < this.#version) return true
    this.#count = count
    if (this.#large) this.#version = version
    return this.#large
  }

  /** False when a change before this one is missing: then the list needs a new snapshot. */
  change(change: PresenceChange): boolean {
    if (this.#version < 0) {
      this.#early.push(change)
      return true
    }
    if (change.version <= this.#version) return true
    const next = change.version === this.#version + 1 && !this.#large
    this.#version = change.version
    const known = this.#users.has(change.user)
    if (change.event === 'join') this.#users.add(change.user)
    else this.#users.delete(change.user)
    if (change.event === 'join' && !known) this.#count++
    if (change.event === 'leave' && known) this.#count--
    return next
  }
}
