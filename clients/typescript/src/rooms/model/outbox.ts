// Messages of one's own that have no place in the list yet: on their way, taken by the hub, or refused. Pure.

import { HubError } from '../../errors.js'
import type { Happened } from '../events.js'
import type { Change } from '../operations.js'
import type { Attachment, Entity, RoomMessage } from '../words.js'

/**
 * Most messages of a conversation that have no place yet; beyond, sending is refused with `queue_full`. Of those that the
 * hub took without an event (as it does with what nobody is to see) the oldest make room.
 */
export const OUTGOING = 200

/** What is to be sent. */
export interface Draft {
  key: string
  text: string
  entities: Entity[]
  attachments: Attachment[]
  replyTo: string | undefined
  thread: string | undefined
  time: number
  giveUpMs: number
}

export interface Item {
  readonly draft: Draft
  readonly state: 'pending' | 'sent' | 'failed'
  readonly error: HubError | null
  /** What the hub answered. */
  readonly place?: { offset: number | undefined; time: number }
}

export class Outbox {
  #items: readonly Item[] = []

  /** In the order of their sending. The same array as long as nothing changes. */
  get items(): readonly Item[] {
    return this.#items
  }

  add(draft: Draft): void {
    const over = this.#items.length - OUTGOING + 1
    if (over > 0) this.#items = this.#items.filter((item, index) => item.state !== 'sent' || index >= over)
    if (this.#items.length >= OUTGOING) {
      throw new HubError('queue_full', `${OUTGOING} messages wait or have failed`, { key: draft.key, retryAfterMs: 1_000 })
    }
    // A key that is still under way or failed is the same message.
    if (this.#items.some((item) => item.draft.key === draft.key)) throw new HubError('bad_request', 'this key waits already', { key: draft.key })
    this.#items = [...this.#items, { draft, state: 'pending', error: null }]
  }

  /** The hub has it. Whether that is news: its event may have come before, or a snapshot behind it. */
  sent(key: string, change: Change, heardUpTo: number): boolean {
    if (change.unchanged === true) return this.discard(key)
    const { offset, time } = change
    if (offset !== undefined && offset <= heardUpTo) return this.discard(key)
    return this.#change(key, (item) => ({ ...item, state: 'sent', error: null, place: { offset, time } }))
  }

  failed(key: string, error: HubError): boolean {
    return this.#change(key, (item) => ({ ...item, state: 'failed', error }))
  }

  /** The draft of a failed message, which is on its way again. */
  retry(key: string): Draft | undefined {
    const item = this.#items.find((one) => one.draft.key === key && one.state === 'failed')
    if (item !== undefined) this.#change(key, ({ draft }) => ({ draft, state: 'pending', error: null }))
    return item?.draft
  }

  discard(key: string): boolean {
    const left = this.#items.filter((item) => item.draft.key !== key)
    if (left.length === this.#items.length) return false
    this.#items = left
    return true
  }

  /** Something happened in the room; whether it is the event of one of these. */
  message({ event, key, from }: Happened, viewer: string): boolean {
    return event?.event === 'message.created' && from === viewer && key !== undefined && this.discard(key)
  }

  /** The end of the list is there up to an offset: what the hub took before that is in it, or gone for good. */
  caughtUp(messages: readonly RoomMessage[], offset: number, viewer: string): void {
    const keys = new Set(messages.flatMap(({ key, from }) => (from === viewer && key !== undefined ? key : [])))
    const isOver = ({ draft, place }: Item): boolean => keys.has(draft.key) || (place?.offset !== undefined && place.offset <= offset)
    this.#items = this.#items.filter((item) => !isOver(item))
  }

  #change(key: string, by: (item: Item) => Item): boolean {
    if (!this.#items.some(({ draft }) => draft.key === key)) return false
    this.#items = this.#items.map((item) => (item.draft.key === key ? by(item) : item))
    return true
  }
}

/** How an item looks in the list. Its key is its id until its event comes: it stays the same one for a page. */
export function preview({ draft, place }: Item, viewer: string): RoomMessage {
  const { key, text, entities, attachments, replyTo, thread, time } = draft
  return {
    id: key, offset: place?.offset ?? 0, ordinal: 0, time: place?.time ?? time, from: viewer, key, text, entities, attachments,
    unfurls: [], ...(replyTo !== undefined && { reply_to: replyTo }), ...(thread !== undefined && { thread }),
    version: 0, edited: null, deleted: null, pinned: false, reactions: {}, replies: 0, replied: null,
  }
}
