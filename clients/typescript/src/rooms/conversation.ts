// What a room and a thread have in common for a program: messages in a window that moves, writing, reading, typing.

import { Emitter } from '../emitter.js'
import type { HubError } from '../errors.js'
import type { Port } from './live/port.js'
import type { Talk } from './live/talk.js'
import type { Change, Later } from './operations.js'
import type { Sending, SendOptions, ShownMessage, Target } from './outgoing.js'
import type { Entity, RoomMessage, Version } from './words.js'

export type ConversationEvents = {
  /** Something that can be read from it is different now. */
  change: []
}

/** What stands behind a conversation. */
export interface Opened {
  readonly talk: Talk
  readonly unread: number
  readonly mentions: number
  readonly readTo: number | undefined
}

export abstract class Conversation extends Emitter<ConversationEvents> {
  readonly channel: string
  readonly #port: Port
  readonly #opened: Opened
  readonly #thread: string | undefined

  /** Use `Rooms.open` and `Room.thread`. `join` connects the listener with what stands behind it. */
  constructor(place: { channel: string; thread?: string }, port: Port, join: (changed: () => void) => Opened) {
    super()
    this.channel = place.channel
    this.#thread = place.thread
    this.#port = port
    this.#opened = join(() => void this.emit('change'))
  }

  /** Ascending and without holes; one's own that are on their way or failed stand at the end. A new array on every change. */
  get messages(): readonly ShownMessage[] {
    return this.#talk.messages
  }

  /** Whether there are older messages to load. */
  get before(): boolean {
    return this.#talk.timeline.before
  }

  /** Whether there are newer messages to load: the window is not at the end. */
  get after(): boolean {
    return this.#talk.timeline.after
  }

  /** Whether messages were had at least once. */
  get loaded(): boolean {
    return this.#talk.timeline.loaded
  }

  /** Whether messages are being asked for. */
  get loading(): boolean {
    return this.#talk.loader.loading
  }

  /** Why messages could not be had the last time; null once they could. */
  get error(): HubError | null {
    return this.#talk.loader.error
  }

  /** Who is writing now, by id, without oneself. */
  get writers(): readonly string[] {
    return this.#talk.typing.writers.users
  }

  /** Messages after the last one that was read. */
  get unread(): number {
    return this.#opened.unread
  }

  /** Mentions of oneself after the last one that was read. */
  get mentions(): number {
    return this.#opened.mentions
  }

  /** Up to which ordinal one has read, what is above is new; undefined until it is known. */
  get readTo(): number | undefined {
    return this.#opened.readTo
  }

  /** Shows a message at once and sends it, also when there is no connection yet. */
  send(text: string, options: SendOptions = {}): Sending {
    return this.#talk.send(text, options)
  }

  /** Sends a message at a time; until then it is listed by `scheduled`. */
  schedule(text: string, at: number, options: SendOptions = {}): Promise<Later> {
    const { key, giveUpMs, replyTo, entities, attachments } = options
    const fields = { channel: this.channel, text, at, thread: this.#thread, reply_to: replyTo, entities, attachments }
    return this.#port.ask('send', fields, { key, giveUpMs }) as Promise<Later>
  }

  edit(message: string, text: string, entities?: Entity[]): Promise<Change> {
    return this.#port.ask('edit', { channel: this.channel, message, text, entities })
  }

  /** `hard` takes it out of every page as well; for moderators. */
  delete(message: string, options: { hard?: boolean } = {}): Promise<Change> {
    return this.#port.ask('delete', { channel: this.channel, message, hard: options.hard })
  }

  pin(message: string, pinned = true): Promise<Change> {
    return this.#port.ask('pin', { channel: this.channel, message, pinned })
  }

  /** `count` 0 takes it back. */
  react(message: string, emoji: string, count = 1): Promise<Change> {
    return this.#port.ask('react', { channel: this.channel, message, emoji, count })
  }

  /** One message, in the list or not. */
  message(message: string): Promise<RoomMessage> {
    return this.#port.ask('message', { channel: this.channel, message })
  }

  /** What a message said before it was edited. */
  async versions(message: string): Promise<Version[]> {
    return (await this.#port.ask('versions', { channel: this.channel, message })).versions
  }

  /** Who has read so far; only in rooms with receipts. */
  async receipts(message: string): Promise<string[]> {
    return (await this.#port.ask('receipts', { channel: this.channel, message })).readers
  }

  /** Tells the moderators. */
  async report(message: string, reason: string): Promise<void> {
    await this.#port.ask('report', { channel: this.channel, message, reason })
  }

  /** Older messages; resolves when they are in the list. Nothing to do when there are none. */
  loadBefore(limit?: number): Promise<void> {
    return this.#talk.load('before', limit)
  }

  /** Newer messages, when the window is not at the end. */
  loadAfter(limit?: number): Promise<void> {
    return this.#talk.load('after', limit)
  }

  /** Moves the window; answers the id of the message to show, undefined when there is none. */
  jumpTo(target: Target): Promise<string | undefined> {
    return this.#talk.jumpTo(target)
  }

  /** Everything up to this ordinal was read (default: all). Sent at most once a second, the latest wins. May go back. */
  read(ordinal?: number): void {
    this.#talk.read(ordinal)
  }

  /** One is writing. Call it on every keystroke: it is sent at most every 4 s, and never late. */
  typing(): void {
    this.#talk.typing.sign()
  }

  get #talk(): Talk {
    return this.#opened.talk
  }
}
