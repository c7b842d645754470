// What a chat shows, as data: messages by offset, gaps between them, and at the end what is on its way. Pure: knows
// neither the page nor the hub.

import type { Gap, Message } from '@hubbub/client'

/** A message of ours that the hub has not confirmed. */
export interface Draft {
  key: string
  text: string
  time: number
  /** Why it failed; undefined while it is on its way. */
  failed?: string
}

/** One line of the chat. `id` stays the same while a draft becomes a message. */
export type Item =
  | { kind: 'message'; id: string; message: Message }
  | { kind: 'draft'; id: string; draft: Draft }
  | { kind: 'gap'; id: string; gap: Gap }

/** Most messages that are kept; the oldest go first and can be paged in again. */
export const KEPT = 2_000

interface Placed {
  item: Item
  /** Where it stands: its offset, or for a channel without a log the number of its coming. */
  at: number
}

export class Timeline {
  readonly #user: string
  readonly #placed = new Map<string, Placed>()
  readonly #drafts = new Map<string, Draft>()
  #arrivals = 0

  constructor(user: string) {
    this.#user = user
  }

  /** The lowest offset that is shown; undefined when there is none. */
  get first(): number | undefined {
    let first: number | undefined
    for (const { item } of this.#placed.values()) {
      const offset = item.kind === 'message' ? item.message.offset : undefined
      if (offset !== undefined && (first === undefined || offset < first)) first = offset
    }
    return first
  }

  draft(draft: Draft): void {
    this.#drafts.set(draft.key, draft)
  }

  /** A draft failed, or (with undefined) is on its way again. */
  fail(key: string, why: string | undefined): void {
    const draft = this.#drafts.get(key)
    if (draft === undefined) return
    const { failed: _, ...rest } = draft
    this.#drafts.set(key, why === undefined ? rest : { ...rest, failed: why })
  }

  discard(key: string): void {
    this.#drafts.delete(key)
  }

  /** A message of the hub; one of ours takes the place of its draft. False when it is shown already. */
  add(message: Message): boolean {
    const mine = message.from === this.#user && message.key !== undefined
    if (mine && message.key !== undefined) this.#drafts.delete(message.key)
    const id = mine ? `k:${message.key}` : `m:${message.id}`
    if (this.#placed.has(id)) return false
    this.#placed.set(id, { item: { kind: 'message', id, message }, at: message.offset ?? ++this.#arrivals })
    return true
  }

  gap(gap: Gap): void {
    if (gap.to < gap.from && gap.reason !== 'epoch') return
    const id = `g:${gap.epoch}.${gap.from}`
    this.#placed.set(id, { item: { kind: 'gap', id, gap }, at: gap.from - 0.5 })
  }

  /** Leaves out the oldest beyond what is kept. True when some went. */
  trim(): boolean {
    const surplus = this.#placed.size - KEPT
    if (surplus <= 0) return false
    for (const { item } of this.#inOrder().slice(0, surplus)) this.#placed.delete(item.id)
    return true
  }

  /** Everything in the order of reading. */
  items(): Item[] {
    const drafts = [...this.#drafts.values()].map((draft): Item => ({ kind: 'draft', id: `k:${draft.key}`, draft }))
    return [...this.#inOrder().map(({ item }) => item), ...drafts]
  }

  #inOrder(): Placed[] {
    return [...this.#placed.values()].sort((a, b) => a.at - b.at)
  }
}
