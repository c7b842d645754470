// One open room for a program: what is said in it, who is in it, and everything that can be done to it.

import { HubError } from '../errors.js'
import { Conversation } from './conversation.js'
import type { AnswerOf, Change, Filters, Operations } from './operations.js'
import type { Thread } from './thread.js'
import type { LinkFilter, Me, Member, NotifyLevel, Role, RoomInfo, Scheduled } from './words.js'

const later = (): never => {
  throw new HubError('not_supported', 'not built yet')
}

/** Which page of a list. */
export interface PageQuery {
  after?: string | undefined
  limit?: number | undefined
}

/** Who is here now. `users` is empty where there are too many for a list. */
export interface Presence {
  readonly count: number
  readonly users: readonly string[]
  readonly large: boolean
}

/** What `configure` changes. */
export interface Configuration {
  slowModeS?: number | undefined
  reactions?: RoomInfo['reactions'] | undefined
  receipts?: boolean | undefined
  mentionAll?: Role | undefined
  retentionDays?: number | undefined
}

export class Room extends Conversation {
  /** Undefined until it is known. */
  get room(): RoomInfo | undefined {
    return undefined
  }

  /** Oneself in it; null when one is no member. */
  get me(): Me | null {
    return null
  }

  /** Undefined unless asked for with `open(channel, { presence: true })`. */
  get presence(): Presence | undefined {
    return undefined
  }

  /** The members that `loadMembers` got, by id; kept up to date. */
  get members(): readonly Member[] {
    return []
  }

  /** The next page of members; answers whether there are more. */
  loadMembers(_limit = 100): Promise<boolean> {
    return later()
  }

  /** The thread under a message. The same object until it is closed. */
  thread(_message: string): Thread {
    return later()
  }

  /** No more changes; what waits to be sent is still sent. */
  close(): void {
    later()
  }

  update(_fields: { name?: string; topic?: string }): Promise<Change> {
    return later()
  }

  configure(_configuration: Configuration): Promise<Change> {
    return later()
  }

  archive(_archived = true): Promise<Change> {
    return later()
  }

  join(): Promise<Change> {
    return later()
  }

  /** Also declines an invitation. */
  leave(): Promise<Change> {
    return later()
  }

  invite(_user: string, _role?: Role): Promise<Change> {
    return later()
  }

  add(_users: string[], _role?: Role): Promise<Change> {
    return later()
  }

  role(_user: string, _role: Role): Promise<Change> {
    return later()
  }

  notify(_level: NotifyLevel): Promise<Change> {
    return later()
  }

  bulkDelete(_which: { messages: string[] } | { user: string; since?: number }, _options: { hard?: boolean } = {}): Promise<Change> {
    return later()
  }

  scheduled(): Promise<Scheduled[]> {
    return later()
  }

  unschedule(_task: string): Promise<Change> {
    return later()
  }

  /** `until`: a time, null lifts it, absent is for ever. */
  mute(_user: string, _options: { until?: number | null; reason?: string } = {}): Promise<Change> {
    return later()
  }

  kick(_user: string, _reason?: string): Promise<Change> {
    return later()
  }

  ban(_user: string, _options: { until?: number; reason?: string } = {}): Promise<Change> {
    return later()
  }

  unban(_user: string): Promise<Change> {
    return later()
  }

  shadowBan(_user: string, _on = true): Promise<Change> {
    return later()
  }

  filters(): Promise<Filters> {
    return later()
  }

  setFilters(_filters: { words?: string[]; links?: LinkFilter }): Promise<Filters> {
    return later()
  }

  reports(_query: PageQuery & { open?: boolean } = {}): Promise<AnswerOf<'reports'>> {
    return later()
  }

  async resolve(_report: string, _action: Operations['resolve']['fields']['action']): Promise<void> {
    return later()
  }

  audit(_query: PageQuery = {}): Promise<AnswerOf<'audit'>> {
    return later()
  }
}

