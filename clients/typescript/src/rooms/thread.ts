// One open thread of a room for a program.

import { HubError } from '../errors.js'
import { Conversation } from './conversation.js'
import type { Change } from './operations.js'
import type { RoomMessage } from './words.js'

const later = (): never => {
  throw new HubError('not_supported', 'not built yet')
}

export class Thread extends Conversation {
  /** Id of the message that it hangs under. */
  readonly id: string

  constructor(channel: string, id: string) {
    super(channel)
    this.id = id
  }

  /** The message that it hangs under; undefined until it is known. */
  get root(): RoomMessage | undefined {
    return undefined
  }

  /** Whether one follows it; undefined until it is known. */
  get following(): boolean | undefined {
    return undefined
  }

  follow(_following = true): Promise<Change> {
    return later()
  }

  close(): void {
    later()
  }
}
