// What one has sent and the hub has not: kept in the browser until the hub has it or one discards it, so that a reload
// loses nothing. It is sent again by its key, which makes no second message of it.

import { type Conversation, type HubError, newKey, type Rooms } from '@hubbub/client'
import { draft, forgetUnsent, type Kept, keepUnsent, rememberDraft, unsent } from '../memory.js'

/** Keys of durable channels are known to the hub for 48 hours. Later, a message could become two: it is a draft then. */
const KEPT_MS = 24 * 3_600_000
/** How long one that was left in a room which is not open is tried, in milliseconds. */
const GIVE_UP_MS = 600_000

/** Where drafts of a room or thread are kept. */
export const placeOf = (channel: string, thread: string | undefined): string => (thread === undefined ? channel : `${channel} ${thread}`)

export class Unsent {
  readonly #user: string
  /** Keys that this page sends already. */
  readonly #ours = new Set<string>()

  constructor(user: string) {
    this.#user = user
  }

  /** Sends what an earlier page has left. What is of an open conversation is shown there: call `resume` for that before. */
  begin(rooms: Rooms): void {
    for (const kept of this.#fresh()) {
      if (this.#ours.has(kept.key)) continue
      this.#ours.add(kept.key)
      const { key, channel, thread, text, entities, replyTo } = kept
      const sent = rooms.call('send', { channel, thread, text, entities, reply_to: replyTo }, { key, giveUpMs: GIVE_UP_MS })
      // What is refused is shown once its room is open.
      sent.then(() => this.#settled(key), () => this.#ours.delete(key))
    }
  }

  /** A conversation is open: shows and sends what was left in it. */
  resume(conversation: Conversation, thread: string | undefined): void {
    const shown = new Set(conversation.messages.map(({ outgoing }) => outgoing?.key))
    for (const kept of this.#fresh()) {
      if (kept.channel === conversation.channel && kept.thread === thread && !shown.has(kept.key)) this.#send(conversation, kept)
    }
  }

  send(conversation: Conversation, thread: string | undefined, { text, entities, replyTo }: Pick<Kept, 'text' | 'entities' | 'replyTo'>): void {
    const kept = { key: newKey(), channel: conversation.channel, thread, text, entities, replyTo, time: Date.now() }
    keepUnsent(this.#user, kept)
    this.#send(conversation, kept)
  }

  #send(conversation: Conversation, { key, text, entities, replyTo }: Kept): void {
    this.#ours.add(key)
    try {
      conversation.send(text, { key, entities, replyTo }).done.then(() => this.#settled(key), () => {})
    } catch (error) {
      // It waits there already, beyond the window.
      if ((error as HubError).code !== 'bad_request') throw error
    }
    // Also one that was tried again by hand, or discarded.
    const off = conversation.on('change', () => {
      if (conversation.after) return
      const waits = conversation.messages.some(({ outgoing }) => outgoing?.key === key && outgoing.state !== 'sent')
      if (waits) return
      off()
      this.#settled(key)
    })
  }

  #settled(key: string): void {
    this.#ours.delete(key)
    forgetUnsent(this.#user, key)
  }

  /** What may still be sent by its key, in the order of writing; what is older becomes a draft. */
  #fresh(): Kept[] {
    const all = unsent(this.#user)
    for (const { key, channel, thread, text, time } of all) {
      if (Date.now() - time < KEPT_MS) continue
      const place = placeOf(channel, thread)
      rememberDraft(this.#user, place, [draft(this.#user, place), text].filter((part) => part !== '').join('\n'))
      forgetUnsent(this.#user, key)
    }
    return all.filter(({ time }) => Date.now() - time < KEPT_MS)
  }
}

