// Reactions that one adds and takes back, faster than the hub answers: each click counts, and only the last count is sent
// while another is under way.

import type { Conversation, ShownMessage } from '@hubbub/client'

/** Most of one emoji by one person on a message, as the contract says. */
const MOST = 1_000

export class Tally {
  readonly #react: Conversation['react']
  readonly #failed: (error: Error) => void
  /** By message and emoji, while something of it is under way: how many one wants. */
  readonly #wanted = new Map<string, number>()

  constructor(conversation: Pick<Conversation, 'react'>, failed: (error: Error) => void) {
    this.#react = (message, emoji, count) => conversation.react(message, emoji, count)
    this.#failed = failed
  }

  /** `most`: how many of one emoji the room allows. */
  add({ id, reactions }: Pick<ShownMessage, 'id' | 'reactions'>, emoji: string, by: 1 | -1, most: 1 | typeof MOST): void {
    const name = `${id} ${emoji}`
    const before = this.#wanted.get(name)
    const now = Math.min(most, Math.max(0, (before ?? reactions[emoji]?.mine ?? 0) + by))
    this.#wanted.set(name, now)
    if (before === undefined) void this.#send(id, emoji, name)
  }

  async #send(id: string, emoji: string, name: string): Promise<void> {
    try {
      for (let sent: number | undefined; this.#wanted.get(name) !== sent; ) {
        sent = this.#wanted.get(name)
        await this.#react(id, emoji, sent)
      }
    } catch (error) {
      this.#failed(error as Error)
    } finally {
      this.#wanted.delete(name)
    }
  }
}

export const mostOf = (mode: 'unique' | 'distinct' | 'counted' | undefined): 1 | typeof MOST => (mode === 'counted' ? MOST : 1)
