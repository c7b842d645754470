// What the parts of the page know of the whole: who one is, the rooms, and how to go somewhere. Nothing here runs.

import type { Room, Rooms } from '@hubbub/client'
import type { Unsent } from './conversation/unsent.js'
import type { Titles } from './titles.js'

/** Something beside the talk. */
export interface Panel {
  id: 'people' | 'thread' | 'search' | 'pins' | 'inbox' | 'threads' | 'reports'
  title: string
  body: HTMLElement
  /** What gets the focus; the panel itself when there is nothing. */
  focus?: HTMLElement
  /** Called once, when it is no longer shown. */
  close?(): void
}

export interface App {
  readonly user: string
  readonly rooms: Rooms
  readonly titles: Titles
  readonly unsent: Unsent
  /** The room that is open. */
  readonly room: Room | undefined
  /** Opens a room, and shows a message in it or in its thread. */
  go(channel: string, to?: { message?: string | undefined; thread?: string | undefined }): void
  /** Opens another room than this one, which one has left. */
  elsewhere(): void
  show(panel: Panel | null): void
  /** The panel that is shown. */
  readonly shown: Panel['id'] | undefined
  /** Tells what went wrong; null takes it back. */
  tell(problem: string | null): void
  /** Tells when it fails. */
  attempt(work: Promise<unknown>): void
  /** Said to those who do not see it. */
  announce(text: string): void
}
