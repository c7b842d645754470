// What comes of a channel while a snapshot of it is asked for: kept in order, bounded, and handed out behind it. Pure.

import type { Gap } from '../../protocol/frames.js'
import type { Happened } from '../events.js'

export type Kept = { message: Happened } | { gap: Gap }

/** Most frames that are kept. When one more comes, those of its channel are dropped, and the channel counts as torn. */
export const KEPT = 2_000

export class Keep {
  readonly #limit: number
  readonly #channels = new Map<string, Kept[] | 'torn'>()
  #count = 0

  constructor(limit = KEPT) {
    this.#limit = limit
  }

  put(channel: string, kept: Kept): void {
    const list = this.#channels.get(channel) ?? []
    if (list === 'torn') return
    if (this.#count >= this.#limit) return this.#tear(channel, list)
    this.#channels.set(channel, list)
    list.push(kept)
    this.#count++
  }

  /** Everything of a channel, in order, or that something of it was dropped. It is not kept any more. */
  take(channel: string): Kept[] | 'torn' {
    const list = this.#channels.get(channel) ?? []
    this.#channels.delete(channel)
    if (list !== 'torn') this.#count -= list.length
    return list
  }

  channels(): string[] {
    return [...this.#channels.keys()]
  }

  clear(): void {
    this.#channels.clear()
    this.#count = 0
  }

  #tear(channel: string, list: Kept[]): void {
    this.#count -= list.length
    this.#channels.set(channel, 'torn')
  }
}
