// The inbox of the user for a program: notices, newest first, and what is unread.

import { Emitter } from '../emitter.js'
import { HubError } from '../errors.js'
import type { Change } from './operations.js'
import type { Notice } from './words.js'

const later = (): never => {
  throw new HubError('not_supported', 'not built yet')
}

export class Inbox extends Emitter<{ change: []; notice: [Notice] }> {
  /** Newest first; empty until `load` was called. */
  get notices(): readonly Notice[] {
    return []
  }

  /** Unread notices. Known without `load`. */
  get unread(): number {
    return 0
  }

  /** Until when not to disturb; null for no such time. */
  get dndUntil(): number | null {
    return null
  }

  /** Whether there are older notices to load. */
  get before(): boolean {
    return false
  }

  /** The newest notices, from then on kept up to date. */
  load(): Promise<void> {
    return later()
  }

  loadBefore(_limit = 20): Promise<void> {
    return later()
  }

  /** Everything was read, or this notice. */
  read(_notice?: string): Promise<Change> {
    return later()
  }

  /** A time, or null to be disturbed again. */
  dnd(_until: number | null): Promise<Change> {
    return later()
  }
}
