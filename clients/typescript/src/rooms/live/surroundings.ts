// What a conversation has to know of what is around it. Nothing here runs.

import type { MessagesAnswer } from '../operations.js'
import type { Port } from './port.js'

export interface Surroundings {
  readonly port: Port
  readonly channel: string
  /** The message that it hangs under; undefined for a room. */
  readonly thread: string | undefined
  viewer(): string
  /** Up to which ordinal one has read; undefined when that is not known. */
  readTo(): number | undefined
  unread(): number
  /** The ordinal of the newest message; undefined when that is not known. */
  newest(): number | undefined
  /** Whether one has to wait between two messages. */
  isSlow(): boolean
  /** A page came: it knows of more than messages. */
  paged(page: MessagesAnswer): void
  /** Something is different, outside of `hear`. */
  changed(): void
}
