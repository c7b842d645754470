// What a room and a thread have in common for a program: messages in a window that moves, writing, reading, typing.

import { Emitter } from '../emitter.js'
import { HubError } from '../errors.js'
import type { Change } from './operations.js'
import type { Sending, SendOptions, ShownMessage } from './outgoing.js'
import type { Entity, RoomMessage, Version } from './words.js'

export type ConversationEvents = {
  /** Something that can be read from it is different now. */
  change: []
}

const later = (): never => {
  throw new HubError('not_supported', 'not built yet')
}

/** Where to go: the newest messages, the first unread one, or a message by its id. */
export type Target = 'newest' | 'unread' | (string & {})

export abstract class Conversation extends Emitter<ConversationEvents> {
  readonly channel: string

  constructor(channel: string) {
    super()
    this.channel = channel
  }

  /** Ascending and without holes; one's own that are on their way or failed stand at the end. A new array on every change. */
  get messages(): readonly ShownMessage[] {
    return []
  }

  /** Whether there are older messages to load. */
  get before(): boolean {
    return false
  }

  /** Whether there are newer messages to load: the window is not at the end. */
  get after(): boolean {
    return false
  }

  /** Whether messages were had at least once. */
  get loaded(): boolean {
    return false
  }

  /** Whether messages are being asked for. */
  get loading(): boolean {
    return false
  }

  /** Why messages could not be had the last time; null once they could. */
  get error(): HubError | null {
    return null
  }

  /** Who is writing now, by id, without oneself. */
  get writers(): readonly string[] {
    return []
  }

  /** Messages after the last one that was read. */
  get unread(): number {
    return 0
  }

  /** Mentions of oneself after the last one that was read. */
  get mentions(): number {
    return 0
  }

  /** Up to which ordinal one has read; what is above is new. */
  get readTo(): number {
    return 0
  }

  /** Shows a message at once and sends it, also when there is no connection yet. */
  send(_text: string, _options: SendOptions = {}): Sending {
    return later()
  }

  /** Sends a message at a time; it is listed by `scheduled`. */
  schedule(_text: string, _at: number, _options: SendOptions = {}): Promise<Change & { task?: string }> {
    return later()
  }

  edit(_message: string, _text: string, _entities?: Entity[]): Promise<Change> {
    return later()
  }

  /** `hard` takes it out of every page as well; for moderators. */
  delete(_message: string, _options: { hard?: boolean } = {}): Promise<Change> {
    return later()
  }

  pin(_message: string, _pinned = true): Promise<Change> {
    return later()
  }

  /** `count` 0 takes it back. */
  react(_message: string, _emoji: string, _count = 1): Promise<Change> {
    return later()
  }

  /** One message, in the list or not. */
  message(_message: string): Promise<RoomMessage> {
    return later()
  }

  versions(_message: string): Promise<Version[]> {
    return later()
  }

  /** Who has read so far; only in rooms with receipts. */
  receipts(_message: string): Promise<string[]> {
    return later()
  }

  /** Tells the moderators. */
  async report(_message: string, _reason: string): Promise<void> {
    return later()
  }

  /** Older messages; resolves when they are in the list. Nothing to do when there are none. */
  loadBefore(_limit = 50): Promise<void> {
    return later()
  }

  /** Newer messages, when the window is not at the end. */
  loadAfter(_limit = 50): Promise<void> {
    return later()
  }

  /** Moves the window; answers the id of the message to show, undefined when there is none. */
  jumpTo(_target: Target): Promise<string | undefined> {
    return later()
  }

  /** Everything up to this ordinal was read (default: all). Sent at most once a second, the latest wins. May go back. */
  read(_ordinal?: number): void {
    later()
  }

  /** One is writing. Call it on every keystroke: it is sent at most every 4 s, and never late. */
  typing(): void {
    later()
  }
}
