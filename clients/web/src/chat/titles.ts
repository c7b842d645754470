// What a room is called: its name, or in a direct room who else is in it. Asks for those once, and says when it knows.

import type { RoomInfo, Rooms } from '@hubbub/client'
import { once } from '../keyed.js'

/** Most names that a title has. */
const NAMED = 4

/** The title of a room; `others` of a direct room, when they are known. */
export function titleOf({ channel, kind, name, last }: RoomInfo, user: string, others: readonly string[] | undefined): string {
  if (name) return name
  if (kind !== 'direct') return channel.slice(channel.indexOf(':') + 1)
  if (others === undefined) return last?.from !== undefined && last.from !== user ? last.from : 'Direct'
  if (others.length === 0) return `${user} (you)`
  return others.length > NAMED ? `${others.slice(0, NAMED).join(', ')} and ${others.length - NAMED} more` : others.join(', ')
}

export class Titles {
  readonly #rooms: Rooms
  readonly #user: string
  readonly #others = new Map<string, readonly string[]>()
  readonly #asked = new Set<string>()
  readonly #changed: () => void

  constructor(rooms: Rooms, user: string, changed: () => void) {
    this.#rooms = rooms
    this.#user = user
    this.#changed = once(changed)
  }

  of(room: RoomInfo): string {
    if (room.kind === 'direct' && !room.name) this.#ask(room.channel)
    return titleOf(room, this.#user, this.#others.get(room.channel))
  }

  /** The only other one in a direct room: such a room has a face. */
  partner({ channel, kind }: RoomInfo): string | undefined {
    const others = kind === 'direct' ? this.#others.get(channel) : undefined
    return others?.length === 1 ? others[0] : undefined
  }

  #ask(channel: string): void {
    if (this.#asked.has(channel)) return
    this.#asked.add(channel)
    this.#rooms.call('members', { channel }).then(
      ({ members }) => {
        this.#others.set(channel, members.map(({ user }) => user).filter((user) => user !== this.#user))
        this.#changed()
      },
      // Asked again with the next look at the list.
      () => this.#asked.delete(channel),
    )
  }
}
