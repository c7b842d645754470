// What a program holds of a channel it listens to.

import { Mailbox } from './channel/iterate.js'
import type { MemberListener } from './channel/member.js'
import { Emitter } from './emitter.js'
import type { HubError } from './errors.js'
import type { Gap, Json, Message, Outcome, Position, PresenceChange, PresenceCount, Skipped } from './protocol/frames.js'
import { startOf } from './channel/cursor.js'

export interface SubscribeOptions {
  /** Continue after this position. */
  since?: Position
  /** Or begin with the last so many messages (at most 1,000). */
  rewind?: number
  /** Also hear who joins and leaves. */
  presence?: boolean
  /** While the connection lags, get only the latest message of each conflate key. */
  conflate?: boolean
}

export type SubscriptionEvents<T> = {
  message: [Message<T>]
  /** Where the messages begin: after subscribing, and after each reconnect. */
  outcome: [Outcome]
  /** These messages will never come; also after an outcome that is a gap. */
  gap: [Gap]
  /** Conflation left out so many. */
  skipped: [Skipped]
  presence: [PresenceChange]
  /** So many are there now; a list that was kept is out of date. */
  presenceCount: [PresenceCount]
  /** The last event: null after `unsubscribe` and `close`, else why the hub ended it. */
  end: [HubError | null]
}

/**
 * One subscriber of a channel. Several of one channel share one subscription on the wire; each has a position of its
 * own and gets each message once.
 */
export class Subscription<T = Json> extends Emitter<SubscriptionEvents<T>> implements AsyncIterable<Message<T>> {
  readonly channel: string
  #position: Position | undefined
  #ended: { error: HubError | null } | undefined
  readonly #mailboxes = new Set<Mailbox<Message<T>>>()
  #leave: () => void = () => {}

  /** Use `Hub.subscribe`. `join` connects the listener with the channel and answers how to leave. */
  constructor(channel: string, since: Position | undefined, join: (listener: MemberListener) => () => void) {
    super()
    this.channel = channel
    this.#position = since
    this.#leave = join({
      message: (message) => this.#message(message as Message<T>),
      outcome: (outcome) => {
        this.#position = startOf(outcome)
        this.emit('outcome', outcome)
      },
      gap: (gap) => {
        this.#position = { epoch: gap.epoch, offset: gap.to }
        this.emit('gap', gap)
      },
      skipped: (skipped) => void this.emit('skipped', skipped),
      presence: (change) => void this.emit('presence', change),
      presenceCount: (count) => void this.emit('presenceCount', count),
      ended: (error) => this.#end(error),
    })
  }

  /** The last position seen: the place to go on from, here or in another program. Undefined without a log. */
  get position(): Position | undefined {
    return this.#position
  }

  /** Hears no more. The last `position` stays. */
  unsubscribe(): void {
    if (this.#ended !== undefined) return
    this.#leave()
    this.#end(null)
  }

  /**
   * Messages from now on. At most 1,000 wait for the loop; when it is slower than that it ends with a `too_slow`
   * error. Leaving the loop does not unsubscribe. Gaps are told by events alone.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message<T>> {
    const mailbox = new Mailbox<Message<T>>(() => this.#mailboxes.delete(mailbox))
    this.#mailboxes.add(mailbox)
    if (this.#ended !== undefined) mailbox.end(this.#ended.error)
    return mailbox
  }

  #message(message: Message<T>): void {
    const { epoch, offset } = message
    if (epoch !== undefined && offset !== undefined) this.#position = { epoch, offset }
    for (const mailbox of [...this.#mailboxes]) mailbox.put(message)
    this.emit('message', message)
  }

  #end(error: HubError | null): void {
    if (this.#ended !== undefined) return
    this.#ended = { error }
    for (const mailbox of [...this.#mailboxes]) mailbox.end(error)
    if (!this.emit('end', error) && error !== null) console.error(error)
  }
}
