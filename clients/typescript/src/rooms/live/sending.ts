// Sends messages and shows them until their events come: tried with one key over lost connections, failed for good only
// when waiting does not help.

import type { HubError } from '../../errors.js'
import { newKey } from '../../random.js'
import { type Draft, type Item, Outbox, preview } from '../model/outbox.js'
import type { Change } from '../operations.js'
import type { Sending as Sent, SendOptions, ShownMessage } from '../outgoing.js'
import type { Surroundings } from './surroundings.js'

/** How long a message is tried, in milliseconds: through a tunnel, not over night. */
const GIVE_UP_MS = 600_000
/** A refusal for the rate is waited for when it is shorter than this, in milliseconds; else the message has failed. */
const RATE_WAIT_MS = 5_000

export class Sending {
  readonly outbox = new Outbox()
  readonly #around: Surroundings
  readonly #heardUpTo: () => number
  readonly #shown = new WeakMap<Item, ShownMessage>()

  /** `heardUpTo`: the offset up to which everything was heard, if only in a snapshot. */
  constructor(around: Surroundings, heardUpTo: () => number) {
    this.#around = around
    this.#heardUpTo = heardUpTo
  }

  send(text: string, options: SendOptions): Sent {
    const { key = newKey(), entities = [], attachments = [], replyTo, giveUpMs = GIVE_UP_MS } = options
    const { thread, port } = this.#around
    const draft: Draft = { key, text, entities, attachments, replyTo, thread, giveUpMs, time: port.hub.timers.now() }
    this.outbox.add(draft)
    return { key, done: this.#attempt(draft) }
  }

  /** How an item looks in the list: the same object as long as nothing happens to it. */
  show(item: Item): ShownMessage {
    const viewer = this.#around.viewer()
    const known = this.#shown.get(item)
    // Who one is may have been unknown when it was written.
    if (known?.from === viewer) return known
    const { key } = item.draft
    const outgoing = { key, state: item.state, error: item.error, retry: () => this.#retry(key), discard: () => this.#discard(key) }
    const shown: ShownMessage = { ...preview(item, viewer), outgoing }
    this.#shown.set(item, shown)
    return shown
  }

  #attempt(draft: Draft): Promise<Change> {
    const { port, channel, changed } = this.#around
    const { key, text, entities, attachments, replyTo, thread, giveUpMs } = draft
    const fields = {
      channel, text, thread, reply_to: replyTo,
      entities: entities.length > 0 ? entities : undefined, attachments: attachments.length > 0 ? attachments : undefined,
    }
    const done = port.ask('send', fields, { key, giveUpMs, final: (error) => this.#isFinal(error) }) as Promise<Change>
    // The list shows what became of it; whoever wants to know by name awaits `done`.
    done.then(
      (change) => this.outbox.sent(key, change, this.#heardUpTo()) && changed(),
      (error: HubError) => this.outbox.failed(key, error) && changed(),
    )
    return done
  }

  /** A slow mode lasts up to six hours, and holds nobody but its room. */
  #isFinal({ code, retryAfterMs }: HubError): boolean {
    return code === 'rate_limited' && (this.#around.isSlow() || (retryAfterMs ?? 0) > RATE_WAIT_MS)
  }

  #retry(key: string): void {
    const draft = this.outbox.retry(key)
    if (draft === undefined) return
    void this.#attempt(draft)
    this.#around.changed()
  }

  /** What is on its way may arrive, so it can not be taken back. */
  #discard(key: string): void {
    const failed = this.outbox.items.some(({ draft, state }) => draft.key === key && state === 'failed')
    if (failed && this.outbox.discard(key)) this.#around.changed()
  }
}
