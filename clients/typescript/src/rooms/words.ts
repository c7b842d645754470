// The words of rooms as docs/CHAT.md has them on the wire: rooms, members, messages, notices, as types. Nothing here runs.

/** From the most to the least: who may do what. */
export type Role = 'owner' | 'moderator' | 'member' | 'guest'
/** `announcement`: everybody may join, moderators and owners write. */
export type RoomKind = 'public' | 'private' | 'direct' | 'announcement'
export type MemberState = 'joined' | 'invited' | 'left' | 'banned'
/** Of what a member wants notices. */
export type NotifyLevel = 'all' | 'mentions' | 'none'
/** `unique`: one emoji a user. `distinct`: each emoji once a user. `counted`: up to 1,000 times. */
export type ReactionMode = 'unique' | 'distinct' | 'counted'
/** Whose links a filter refuses. */
export type LinkFilter = 'all' | 'members' | 'none'

/** `muted_until` of who is muted for ever. */
export const FOR_EVER = Number.MAX_SAFE_INTEGER

/** The newest message of a room, in short: `text` has at most 200 characters, and is absent once it is deleted. */
export interface LastMessage {
  id: string
  ordinal: number
  time: number
  /** Absent when a service wrote it. */
  from?: string
  text?: string
  deleted?: true
}

/** A room as everybody in it sees it. */
export interface RoomInfo {
  channel: string
  kind: RoomKind
  /** Absent in direct rooms, as a rule: they are called like who is in them. */
  name?: string
  topic: string
  archived: boolean
  created: number
  /** Who made it; absent for a service. */
  by?: string
  members: number
  /** The ordinal of the newest message outside threads. */
  messages: number
  /** How many mentions of the whole room there have been. */
  mentions_all: number
  slow_mode_s: number
  reactions: ReactionMode
  receipts: boolean
  /** The least role whose `@here` counts. */
  mention_all: Role
  /** 0: for ever. */
  retention_days: number
  /** Whether there are filters. */
  filtered: boolean
  /** Ids of the pinned messages, newest first. */
  pins: string[]
  /** Absent in an empty room. */
  last?: LastMessage
}

/** A member as others see it. `read` only in rooms with receipts. */
export interface Member {
  user: string
  role: Role
  state: MemberState
  since: number
  read?: number
  /** Null, or until when they may not write; `FOR_EVER`. */
  muted_until: number | null
  /** Of who is banned; null for ever. */
  banned_until?: number | null
}

/** Oneself as a member. */
export interface Me extends Member {
  /** Up to which ordinal one has read. */
  read: number
  mentions: number
  mentions_read: number
  mentions_all_read: number
  notify: NotifyLevel
}

/** A stretch of a text, `from` to `to` in UTF-16 units. Mentions are found by the hub. */
export type Entity = { from: number; to: number } & (
  | { kind: 'bold' | 'italic' | 'strike' | 'code' | 'pre' | 'quote' | 'mention_all' }
  | { kind: 'link'; url: string }
  | { kind: 'mention'; user: string }
  | { kind: 'mention_role'; role: 'moderator' | 'owner' | (string & {}) }
)

/** A reference to a file: the platform keeps it and signs the URL. */
export interface Attachment {
  id: string
  name: string
  /** The media type. */
  type: string
  size: number
  url: string
}

/** What a service found behind a link. */
export interface Unfurl {
  url: string
  title?: string
  description?: string
  image?: string
}

/** How many reacted with an emoji; `mine` is one's own part, absent when 0. */
export interface Reaction {
  count: number
  mine?: number
}

export interface RoomMessage {
  id: string
  offset: number
  /** Counts the messages outside threads, or those of the thread. */
  ordinal: number
  time: number
  /** Absent when a service wrote it. */
  from?: string
  key?: string
  text: string
  entities: Entity[]
  attachments: Attachment[]
  unfurls: Unfurl[]
  reply_to?: string
  /** The message that it hangs under. */
  thread?: string
  /** How often it was edited, and when the last time. */
  version: number
  edited: number | null
  /** Who deleted it: its text and all that belonged to it is gone. */
  deleted: 'author' | 'moderator' | null
  pinned: boolean
  reactions: { [emoji: string]: Reaction }
  /** How many messages hang under it, and when the last one came. */
  replies: number
  replied: number | null
}

/** A notice of the inbox. */
export interface Notice {
  id: string
  offset: number
  time: number
  what: 'mention' | 'reply' | 'invitation' | 'report' | 'service' | (string & {})
  channel?: string
  message?: string
  from?: string
  text?: string
  data?: unknown
  collapse?: string
  expires?: number
  read: boolean
}

/** What is the same in all rooms: unread notices, and until when not to disturb. */
export interface Person {
  unread: number
  dnd_until: number | null
}

/** A message that is to be sent later. */
export interface Scheduled {
  task: string
  at: number
  channel: string
  text: string
  thread?: string | null
}

/** What a message said before it was edited. */
export interface Version {
  version: number
  time: number
  text: string
  entities: Entity[]
}

export interface Report {
  id: string
  time: number
  /** Who reported it; null for a service. */
  by: string | null
  message: string
  /** Who wrote it, and what it said then. */
  author: string | null
  text: string
  reason: string
  action: 'dismissed' | 'deleted' | 'banned' | null
  resolved_by: string | null
}

/** One act of moderation or administration. */
export interface AuditEntry {
  id: string
  time: number
  /** Null when a service did it by itself. */
  actor: string | null
  service?: string | null
  address?: string | null
  agent?: string | null
  op: string
  channel: string
  user?: string | null
  message?: string | null
  before: unknown
  after: unknown
  reason?: string | null
}
