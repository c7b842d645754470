// Every frame that client and hub say to each other, as TypeScript types. Nothing here runs.

import type { ErrorCode } from './codes.js'

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A code of the table, or one of a newer hub. */
export type Code = ErrorCode | (string & {})

/** A place in the log of a channel. Offset 0 stands before the first message. */
export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** Why messages between two positions will never come. */
export type GapReason = 'expired' | 'epoch' | 'lost' | 'overflow' | (string & {})

/** No earlier position was given. Without a log there is no epoch and no offset. */
export interface Fresh {
  outcome: 'fresh'
  epoch?: string
  offset?: number
  /** The first replayed message, when there are any. */
  from?: number
  to?: number
}

/** Everything after the given position comes: `from` to `to` first (empty when `to` is `from` - 1). */
export interface Continued {
  outcome: 'continued'
  epoch: string
  offset: number
  from: number
  to: number
}

/** `from` to `to` will never come; everything after `to` does. */
export interface GapOutcome {
  outcome: 'gap'
  epoch: string
  offset: number
  from: number
  to: number
  reason: GapReason
}

/** How a subscribe, a resume or a reconnect of a stream ended. */
export type Outcome = Fresh | Continued | GapOutcome

/** A message of a channel. `epoch` and `offset` are both absent on a channel without a log. */
export interface Message<T = Json> {
  channel: string
  id: string
  epoch?: string
  offset?: number
  /** When the hub took it, in milliseconds since 1970. */
  time: number
  from?: string
  key?: string
  conflate_key?: string
  data: T
}

export interface Gap {
  channel: string
  epoch: string
  from: number
  to: number
  reason: GapReason
}

export interface Skipped {
  channel: string
  count: number
}

export interface PresenceChange {
  channel: string
  version: number
  event: 'join' | 'leave'
  user: string
}

/** How many are there, where joins and leaves are not told one by one. */
export interface PresenceCount {
  channel: string
  version: number
  count: number
}

export interface PresenceSnapshot {
  version: number
  /** How many users there are in all, whatever part of them `users` holds. */
  count: number
  /** By id. `connections` is 0 while a user may still come back. */
  users: { user: string; connections: number }[]
  /** `after` of the next page; absent at the end. */
  next?: string
  /** There are too many for a list: `users` is empty, and changes are told as counts. */
  large?: true
  /** The answer knows of one node alone: the others can not be reached now. */
  scope?: 'node'
}

export interface HistoryPage<T = Json> {
  epoch: string
  /** The oldest offset that is still kept; greater than `last` when nothing is. */
  first: number
  last: number
  more: boolean
  /** In the direction of reading. */
  messages: Message<T>[]
}

export interface Ack {
  /** The id of the message. */
  message: string
  epoch?: string
  offset?: number
  time: number
  /** Only on channels without a log: the hub could not reach its other nodes, so only subscribers of one node have it. */
  scope?: 'node'
}

/** How one entry of `resume`, or one channel of a stream, ended. */
export type SubscriptionResult = { channel: string } & (Outcome | { error: Code; outcome?: undefined })

export interface ConnectedFrame {
  type: 'connected'
  session: string
  node: string
  user: string
  heartbeat_ms: number
  expires_at: number
  subscriptions: SubscriptionResult[]
}
export type SubscribedFrame = { type: 'subscribed'; id: number; channel: string } & Outcome
export interface UnsubscribedFrame {
  type: 'unsubscribed'
  channel: string
  id?: number
  code?: Code
}
export type AckFrame = { type: 'ack'; id: number } & Ack
export type ReplyFrame = { type: 'reply'; id: number } & (
  | { history: HistoryPage }
  | { presence: PresenceSnapshot }
  | { expires_at: number }
  | { result: { [field: string]: Json } }
)
export type MessageFrame = { type: 'message' } & Message
export type GapFrame = { type: 'gap' } & Gap
export type SkippedFrame = { type: 'skipped' } & Skipped
export type PresenceFrame = { type: 'presence' } & PresenceChange
export type PresenceCountFrame = { type: 'presence_count' } & PresenceCount
export interface ErrorFrame {
  type: 'error'
  id?: number
  code: Code
  message: string
  retry_after_ms: number | null
}
export interface PingFrame {
  type: 'ping'
}
export interface ExpiringFrame {
  type: 'expiring'
  expires_at: number
}
export interface DrainFrame {
  type: 'drain'
  within_ms: number
}

/** A frame from the hub. */
export type ServerFrame =
  | ConnectedFrame
  | SubscribedFrame
  | UnsubscribedFrame
  | AckFrame
  | ReplyFrame
  | MessageFrame
  | GapFrame
  | SkippedFrame
  | PresenceFrame
  | PresenceCountFrame
  | ErrorFrame
  | PingFrame
  | ExpiringFrame
  | DrainFrame

/** The first event of an SSE stream: where each channel of the URL really starts. */
export interface OpenEvent {
  type: 'open'
  subscriptions: SubscriptionResult[]
}

/** One subscription to take up again. */
export interface ResumeEntry {
  channel: string
  epoch?: string
  offset?: number
  presence?: true
  conflate?: true
}

export interface ConnectFrame {
  type: 'connect'
  token: string
  client?: string
  resume?: ResumeEntry[]
}
export interface SubscribeFrame {
  type: 'subscribe'
  id: number
  channel: string
  since?: Position
  rewind?: number
  presence?: true
  conflate?: true
}
export interface UnsubscribeFrame {
  type: 'unsubscribe'
  id: number
  channel: string
}
export interface PublishFrame {
  type: 'publish'
  id: number
  channel: string
  data: Json
  key?: string
  conflate_key?: string
}
export interface HistoryFrame {
  type: 'history'
  id: number
  channel: string
  after?: number
  before?: number
  limit?: number
}
export interface AskPresenceFrame {
  type: 'presence'
  id: number
  channel: string
  after?: string
  limit?: number
}
export interface RefreshFrame {
  type: 'refresh'
  id: number
  token: string
}
/** An operation of rooms; its other fields are those of the operation. */
export interface RoomFrame {
  type: 'room'
  id: number
  op: string
  channel?: string
  key?: string
}
export interface PongFrame {
  type: 'pong'
}

/** A frame from the client that is answered by its `id`. */
export type RequestFrame =
  | SubscribeFrame
  | UnsubscribeFrame
  | PublishFrame
  | HistoryFrame
  | AskPresenceFrame
  | RefreshFrame
  | RoomFrame

/** A frame from the client. */
export type ClientFrame = ConnectFrame | RequestFrame | PongFrame
