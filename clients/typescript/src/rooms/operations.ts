// The operations of rooms: what each is told and what it answers, as types. Nothing here runs.

import type {
  Attachment, AuditEntry, Entity, LinkFilter, Me, Member, Notice, NotifyLevel, Person, ReactionMode, Report, Role, RoomInfo,
  RoomKind, RoomMessage, Scheduled, Unfurl, Version,
} from './words.js'

/** Id and place of the event of a change, or that there was nothing to change. What has no event has no place. */
export type Change = { message: string; epoch?: string; offset?: number; time: number; unchanged?: undefined } | { unchanged: true }

/** A room in the answers of `rooms` and `room`. `me` is absent when one is no member. */
export interface RoomAnswer {
  room: RoomInfo
  me?: Me | null
  epoch: string
  offset: number
  unread: number
  mentions: number
}

export interface RoomsAnswer {
  rooms: RoomAnswer[]
  /** The position of the own channel. */
  user: { epoch: string; offset: number }
  person: Person
  next?: string
}

/**
 * A page of a room or a thread, ascending; `offset` is the head of the log with which it is a snapshot, `user` that of the
 * own channel.
 */
export interface MessagesAnswer {
  epoch: string
  offset: number
  messages: RoomMessage[]
  /** Whether there are older ones. */
  before: boolean
  /** Whether there are newer ones. */
  after: boolean
  room: RoomInfo
  me?: Me | null
  user?: { epoch: string; offset: number }
  /** Of a thread: the message that it hangs under (absent when it is gone from every page), and one's own place in it. */
  root?: RoomMessage
  thread?: ThreadPlace
}

/** One's own place in a thread. */
export interface ThreadPlace {
  /** The message that it hangs under. */
  root: string
  following: boolean
  read: number
  mentions: number
  mentions_read: number
}

/** A page of members, by id. Who was banned or went is there for moderators alone. */
export interface MembersAnswer {
  members: Member[]
  epoch: string
  offset: number
  next?: string
}

export interface InboxAnswer {
  /** Newest first. */
  notices: Notice[]
  person: Person
  epoch: string
  offset: number
}

export interface SearchHit {
  channel: string
  message: RoomMessage
  /** Stretches of the text that were found. */
  highlights: [number, number][]
}

export interface SearchAnswer {
  hits: SearchHit[]
  next?: string
}

/** A message that waits for its time. */
export interface Later {
  task: string
  at: number
}

/** A followed thread. */
export interface ThreadEntry {
  channel: string
  /** The message that it hangs under. */
  thread: RoomMessage
  unread: number
  mentions: number
  read: number
  mentions_read: number
  /** The position of the room with which this is a snapshot. */
  epoch: string
  offset: number
}

export interface Filters {
  words: string[]
  links: LinkFilter
}

type In<F = object> = { channel: string } & F
type At<F = object> = { channel: string; message: string } & F
type Of<F = object> = { channel: string; user: string } & F
type Page<A = string> = { after?: A | undefined; limit?: number | undefined }
type Op<F, A = Change> = { fields: F; answer: A }

/** Every operation that a user may do, with the names of the wire. */
export interface Operations {
  create: Op<
    {
      channel?: string | undefined; kind: RoomKind; name?: string | undefined; topic?: string | undefined; members?: string[] | undefined
      reactions?: ReactionMode | undefined; receipts?: boolean | undefined; mention_all?: Role | undefined; slow_mode_s?: number | undefined
    },
    Change & { channel: string }
  >
  update: Op<In<{ name?: string | undefined; topic?: string | undefined }>>
  configure: Op<In<{
    slow_mode_s?: number | undefined; reactions?: ReactionMode | undefined; receipts?: boolean | undefined; mention_all?: Role | undefined
    retention_days?: number | undefined
  }>>
  archive: Op<In<{ archived: boolean }>>
  invite: Op<Of<{ role?: Role | undefined }>>
  join: Op<In>
  leave: Op<In>
  add: Op<In<{ users: string[]; role?: Role | undefined }>>
  role: Op<Of<{ role: Role }>>
  rooms: Op<Page & { follow?: boolean | undefined; channels?: string[] | undefined }, RoomsAnswer>
  room: Op<In, RoomAnswer>
  members: Op<In<Page>, MembersAnswer>
  discover: Op<Page & { namespace?: string | undefined }, { rooms: RoomInfo[]; next?: string }>

  send: Op<In<{
    text: string; entities?: Entity[] | undefined; attachments?: Attachment[] | undefined; reply_to?: string | undefined
    thread?: string | undefined; at?: number | undefined
  }>, Change | Later>
  edit: Op<At<{ text: string; entities?: Entity[] | undefined }>>
  delete: Op<At<{ hard?: boolean | undefined }>>
  bulk_delete: Op<In<{ messages?: string[] | undefined; user?: string | undefined; since?: number | undefined; hard?: boolean | undefined }>>
  unfurl: Op<At<{ unfurls: Unfurl[] }>>
  pin: Op<At<{ pinned: boolean }>>
  react: Op<At<{ emoji: string; count?: number | undefined }>>
  typing: Op<In<{ thread?: string | undefined }>, object>
  /** `before`, `after` and a number in `around` are ordinals. */
  messages: Op<In<{
    before?: number | undefined; after?: number | undefined; around?: string | number | undefined; thread?: string | undefined
    limit?: number | undefined
  }>, MessagesAnswer>
  message: Op<At, RoomMessage>
  versions: Op<At, { versions: Version[] }>
  scheduled: Op<{ channel?: string | undefined }, { scheduled: Scheduled[] }>
  unschedule: Op<In<{ task: string }>>
  search: Op<
    { text: string; channel?: string | undefined; from?: string | undefined; before?: string | undefined; limit?: number | undefined },
    SearchAnswer
  >
  follow: Op<In<{ thread: string; following: boolean }>>
  threads: Op<Page, { threads: ThreadEntry[]; user: { epoch: string; offset: number }; next?: string }>

  read: Op<In<{ ordinal: number; thread?: string | undefined }>>
  notify: Op<In<{ level: NotifyLevel }>>
  dnd: Op<{ until?: number | null | undefined }>
  receipts: Op<At, { readers: string[] }>

  mute: Op<Of<{ until?: number | null | undefined; reason?: string | undefined }>>
  kick: Op<Of<{ reason?: string | undefined }>>
  ban: Op<Of<{ until?: number | undefined; reason?: string | undefined }>>
  unban: Op<Of>
  shadow_ban: Op<Of<{ on: boolean }>>
  filters: Op<In<{ words?: string[] | undefined; links?: LinkFilter | undefined }>, Filters>
  report: Op<At<{ reason: string }>, { report: string } | { unchanged: true }>
  reports: Op<In<Page<number> & { open?: boolean | undefined }>, { reports: Report[]; next?: number }>
  resolve: Op<In<{ report: string; action: 'dismissed' | 'deleted' | 'banned' }>, object>
  audit: Op<Page<number> & { channel?: string | undefined }, { entries: AuditEntry[]; next?: number }>

  inbox: Op<{ before?: number | undefined; limit?: number | undefined }, InboxAnswer>
  inbox_read: Op<{ offset: number } | { notice: string }>
}

export type Operation = keyof Operations
export type FieldsOf<O extends Operation> = Operations[O]['fields']
export type AnswerOf<O extends Operation> = Operations[O]['answer']
