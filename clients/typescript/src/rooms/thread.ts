// One open thread of a room for a program.

import { Conversation } from './conversation.js'
import type { OpenThread } from './live/open-thread.js'
import type { Port } from './live/port.js'
import type { Change } from './operations.js'
import type { RoomMessage } from './words.js'

/** What a thread is made of by its room. */
export interface ThreadJoin {
  channel: string
  id: string
  port: Port
  open(changed: () => void): OpenThread
  close(): void
}

export class Thread extends Conversation {
  /** Id of the message that it hangs under. */
  readonly id: string
  readonly #open: OpenThread
  readonly #port: Port
  readonly #close: () => void

  /** Use `Room.thread`. */
  constructor({ channel, id, port, open, close }: ThreadJoin) {
    let opened: OpenThread | undefined
    super({ channel, thread: id }, port, (changed) => (opened = open(changed)))
    this.id = id
    this.#port = port
    this.#close = close
    // The constructor of a conversation opens what stands behind it.
    this.#open = opened as unknown as OpenThread
  }

  /** The message that it hangs under; undefined until it is known, and when it is gone from every page. */
  get root(): RoomMessage | undefined {
    return this.#open.state.root
  }

  /** Whether one follows it; undefined until it is known. */
  get following(): boolean | undefined {
    return this.#open.state.place?.following
  }

  follow(following = true): Promise<Change> {
    return this.#port.ask('follow', { channel: this.channel, thread: this.id, following })
  }

  /** No more changes; what waits to be sent is still sent. */
  close(): void {
    this.#close()
  }
}
