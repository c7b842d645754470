// Notices that tell nothing any more: of a message that was read where it stands, of an invitation that was answered.

import type { Notice } from '@hubbub/client'
import type { App } from '../app.js'

/** Marks notices as read; each is asked for once. */
export class Noticed {
  readonly #app: App
  readonly #asked = new Set<string>()

  constructor(app: App) {
    this.#app = app
  }

  look(): void {
    const { inbox } = this.#app.rooms
    for (const notice of inbox.notices) {
      if (notice.read || this.#asked.has(notice.id) || !this.#isOver(notice)) continue
      this.#asked.add(notice.id)
      this.#app.attempt(inbox.read(notice.id))
    }
  }

  #isOver({ what, channel, message }: Notice): boolean {
    const { room, rooms } = this.#app
    if (channel === undefined) return false
    if (what === 'invitation') return rooms.get(channel)?.me.state === 'joined'
    if (what === 'report' || room?.channel !== channel) return false
    const shown = room.messages.find(({ id }) => id === message)
    return shown !== undefined && shown.ordinal <= (room.readTo ?? 0)
  }
}
