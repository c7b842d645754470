// Says what others write to those who do not see it: what came since the last time, and never what was there before.

import type { Conversation } from '@hubbub/client'
import { nameOf } from './message.js'

/** Most that is said at once: with more, only the newest of it. */
const AT_ONCE = 3

export class Aloud {
  #said: number | undefined

  /** What to say now. */
  next({ loaded, after, messages }: Conversation, user: string): string[] {
    if (!loaded || after) return []
    const settled = messages.filter(({ outgoing }) => outgoing === undefined)
    const [said, newest] = [this.#said, settled.at(-1)?.offset ?? 0]
    this.#said = Math.max(newest, said ?? 0)
    if (said === undefined) return []
    const fresh = settled.filter(({ offset, from }) => offset > said && from !== user)
    return fresh.slice(-AT_ONCE).map((message) => `${nameOf(message)}: ${message.text.slice(0, 300)}`)
  }
}
