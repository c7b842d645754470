// What a program sees of a message on its way, and what it may say when it writes one. Nothing here runs.

import type { HubError } from '../errors.js'
import type { Change } from './operations.js'
import type { Attachment, Entity, RoomMessage } from './words.js'

/** Where to go: the newest messages, the first unread one, or a message by its id. */
export type Target = 'newest' | 'unread' | (string & {})

/** What goes with a text. */
export interface SendOptions {
  /** Id of the message that this one answers. */
  replyTo?: string | undefined
  entities?: Entity[] | undefined
  attachments?: Attachment[] | undefined
  /** The idempotency key; made when not given. */
  key?: string | undefined
  /** How long it is tried, in milliseconds. Default ten minutes. */
  giveUpMs?: number | undefined
}

/** A message of one's own before its event has come. */
export interface Outgoing {
  readonly key: string
  /** `pending`: on its way, also while there is no connection. `sent`: the hub has it. `failed`: see `error`. */
  readonly state: 'pending' | 'sent' | 'failed'
  /** Why it failed; `retryAfterMs` in slow mode. */
  readonly error: HubError | null
  /** Tries a failed message again, with the same key: it can not become two. */
  retry(): void
  /** Takes a failed message out of the list. */
  discard(): void
}

/** A message as a conversation shows it. One's own that has no place in the log yet has `outgoing`, and its key as id. */
export type ShownMessage = Readonly<RoomMessage> & { readonly outgoing?: Outgoing }

/** A message that was sent: its state in the list, and what became of it. */
export interface Sending {
  readonly key: string
  /** Settles when the hub has it or has refused it. Needs no catch: the list shows the failure as well. */
  readonly done: Promise<Change>
}
