// Messages that others answer, and that may not be in the list: asked for once, and kept.

import type { Conversation, RoomMessage } from '@hubbub/client'

/** Most that are kept; the oldest go first. */
const KEPT = 500

export class Quotes {
  readonly #conversation: Conversation
  readonly #changed: () => void
  readonly #known = new Map<string, RoomMessage | null>()
  readonly #asked = new Set<string>()

  constructor(conversation: Conversation, changed: () => void) {
    this.#conversation = conversation
    this.#changed = changed
  }

  /** Null when it is gone, undefined until it is known. `listed` is what the list has of it. */
  of(id: string, listed: RoomMessage | undefined): RoomMessage | null | undefined {
    if (listed !== undefined) return listed
    if (!this.#known.has(id)) this.#ask(id)
    return this.#known.get(id)
  }

  #ask(id: string): void {
    if (this.#asked.has(id)) return
    this.#asked.add(id)
    this.#conversation.message(id).then(
      (message) => this.#keep(id, message),
      (error: { code?: string }) => {
        if (error.code === 'not_found') this.#keep(id, null)
        else this.#asked.delete(id)
      },
    )
  }

  #keep(id: string, message: RoomMessage | null): void {
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < KEPT) break
      this.#known.delete(oldest)
      this.#asked.delete(oldest)
    }
    this.#known.set(id, message)
    this.#changed()
  }
}
