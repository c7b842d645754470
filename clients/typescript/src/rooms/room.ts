// One open room for a program: what is said in it, who is in it, and everything that can be done to it.

import { Conversation } from './conversation.js'
import type { OpenRoom } from './live/open-room.js'
import type { Port } from './live/port.js'
import type { Presence } from './model/roster.js'
import type { AnswerOf, Change, FieldsOf, Filters, Operation } from './operations.js'
import { Thread } from './thread.js'
import type { LinkFilter, Me, Member, NotifyLevel, Role, RoomInfo, Scheduled } from './words.js'

/** Which page of a list. */
export interface PageQuery<After = string> {
  after?: After | undefined
  limit?: number | undefined
}

/** What `configure` changes. */
export interface Configuration {
  slowModeS?: number | undefined
  reactions?: RoomInfo['reactions'] | undefined
  receipts?: boolean | undefined
  mentionAll?: Role | undefined
  retentionDays?: number | undefined
}

/** What a room is made of by the rooms. */
export interface RoomJoin {
  channel: string
  port: Port
  open(changed: () => void): OpenRoom
  close(): void
}

export class Room extends Conversation {
  readonly #open: OpenRoom
  readonly #port: Port
  readonly #close: () => void
  readonly #threads = new Map<string, Thread>()

  /** Use `Rooms.open`. */
  constructor({ channel, port, open, close }: RoomJoin) {
    let opened: OpenRoom | undefined
    super({ channel }, port, (changed) => (opened = open(changed)))
    this.#port = port
    this.#close = close
    // The constructor of a conversation opens what stands behind it.
    this.#open = opened as unknown as OpenRoom
  }

  /** Undefined until it is known. */
  get room(): RoomInfo | undefined {
    return this.#open.room
  }

  /** Oneself in it; null when one is no member. */
  get me(): Me | null {
    return this.#open.me
  }

  /** Undefined until it is known, and unless asked for with `open(channel, { presence: true })`. */
  get presence(): Presence | undefined {
    return this.#open.presence
  }

  /** The members that `loadMembers` got, by id; kept up to date. */
  get members(): readonly Member[] {
    return this.#open.members.members
  }

  /** The next page of members; answers whether there are more. */
  async loadMembers(limit = 100): Promise<boolean> {
    await this.#open.membersLoader.want({ of: 'page', limit })
    return this.#open.members.after !== undefined
  }

  /** The thread under a message. The same object until it is closed. */
  thread(message: string): Thread {
    const known = this.#threads.get(message)
    if (known !== undefined) return known
    const thread = new Thread({
      channel: this.channel, id: message, port: this.#port,
      open: (changed) => this.#open.thread(message, changed),
      close: () => {
        this.#threads.delete(message)
        this.#open.closeThread(message)
      },
    })
    this.#threads.set(message, thread)
    return thread
  }

  /** No more changes, nor of its threads; what waits to be sent is still sent. */
  close(): void {
    this.#close()
  }

  update(fields: { name?: string; topic?: string }): Promise<Change> {
    return this.#do('update', fields)
  }

  configure({ slowModeS, reactions, receipts, mentionAll, retentionDays }: Configuration): Promise<Change> {
    return this.#do('configure', { slow_mode_s: slowModeS, reactions, receipts, mention_all: mentionAll, retention_days: retentionDays })
  }

  archive(archived = true): Promise<Change> {
    return this.#do('archive', { archived })
  }

  join(): Promise<Change> {
    return this.#do('join', {})
  }

  /** Also declines an invitation. */
  leave(): Promise<Change> {
    return this.#do('leave', {})
  }

  invite(user: string, role?: Role): Promise<Change> {
    return this.#do('invite', { user, role })
  }

  add(users: string[], role?: Role): Promise<Change> {
    return this.#do('add', { users, role })
  }

  role(user: string, role: Role): Promise<Change> {
    return this.#do('role', { user, role })
  }

  notify(level: NotifyLevel): Promise<Change> {
    return this.#do('notify', { level })
  }

  bulkDelete(which: { messages: string[] } | { user: string; since?: number }, options: { hard?: boolean } = {}): Promise<Change> {
    return this.#do('bulk_delete', { ...which, hard: options.hard })
  }

  /** One's own messages that wait for their time in this room. */
  async scheduled(): Promise<Scheduled[]> {
    return (await this.#do('scheduled', {})).scheduled
  }

  unschedule(task: string): Promise<Change> {
    return this.#do('unschedule', { task })
  }

  /** `until`: a time, null lifts it, absent is for ever. */
  mute(user: string, options: { until?: number | null; reason?: string } = {}): Promise<Change> {
    return this.#do('mute', { user, ...options })
  }

  kick(user: string, reason?: string): Promise<Change> {
    return this.#do('kick', { user, reason })
  }

  ban(user: string, options: { until?: number; reason?: string } = {}): Promise<Change> {
    return this.#do('ban', { user, ...options })
  }

  unban(user: string): Promise<Change> {
    return this.#do('unban', { user })
  }

  shadowBan(user: string, on = true): Promise<Change> {
    return this.#do('shadow_ban', { user, on })
  }

  filters(): Promise<Filters> {
    return this.#do('filters', {})
  }

  setFilters(filters: { words?: string[]; links?: LinkFilter }): Promise<Filters> {
    return this.#do('filters', filters)
  }

  reports(query: PageQuery<number> & { open?: boolean } = {}): Promise<AnswerOf<'reports'>> {
    return this.#do('reports', query)
  }

  async resolve(report: string, action: FieldsOf<'resolve'>['action']): Promise<void> {
    await this.#do('resolve', { report, action })
  }

  audit(query: PageQuery<number> = {}): Promise<AnswerOf<'audit'>> {
    return this.#do('audit', query)
  }

  #do<O extends Operation>(op: O, fields: Omit<FieldsOf<O>, 'channel'>): Promise<AnswerOf<O>> {
    // Every operation that is done here names the room.
    return this.#port.ask(op, { ...fields, channel: this.channel } as unknown as FieldsOf<O>)
  }
}
