// @hubbub/client: everything that a program may use. Read next: hub.ts, then connection/machine.ts,

export { Hub, type HubEvents, type HubState, type Session, type StateChange } from './hub.js'
export type { HubOptions, PublishOptions } from './options.js'
export { type SubscribeOptions, Subscription, type SubscriptionEvents } from './subscription.js'
export { Stream, type StreamEvents, type StreamOptions, type StreamState } from './stream/stream.js'
export { type ClientCode, HubError } from './errors.js'
export { newKey } from './random.js'
export type { Timers } from './timers.js'
export type { TokenProvider } from './token.js'
export type { HistoryQuery, PresenceQuery } from './protocol/encode.js'
export type {
  Ack, Code, Continued, Fresh, Gap, GapOutcome, GapReason, HistoryPage, Json, Message, Outcome, Position,
  PresenceChange, PresenceCount, PresenceSnapshot, Skipped, SubscriptionResult,
} from './protocol/frames.js'
export type { ErrorCode } from './protocol/codes.js'
export { type NewRoom, Rooms, type RoomsEvents, type SearchQuery } from './rooms/rooms.js'
export type { ListedRoom } from './rooms/model/entry.js'
export type { Presence } from './rooms/model/roster.js'
export { type Configuration, type PageQuery, Room } from './rooms/room.js'
export { Thread } from './rooms/thread.js'
export { Conversation, type ConversationEvents } from './rooms/conversation.js'
export { Inbox, type InboxEvents } from './rooms/inbox.js'
export { Threads, type ThreadsEvents } from './rooms/threads.js'
export type { FollowedThread } from './rooms/model/threads.js'
export type { Outgoing, Sending, SendOptions, ShownMessage, Target } from './rooms/outgoing.js'
export type {
  AnswerOf, Change, FieldsOf, Filters, InboxAnswer, Later, MessagesAnswer, Operation, Operations, RoomAnswer, RoomsAnswer, SearchAnswer,
  SearchHit, ThreadEntry, ThreadPlace,
} from './rooms/operations.js'
export {
  type Attachment, type AuditEntry, type Entity, FOR_EVER, type LastMessage, type LinkFilter, type Me, type Member,
  type MemberState, type Notice, type NotifyLevel, type Person, type Reaction, type ReactionMode, type Report, type Role,
  type RoomInfo, type RoomKind, type RoomMessage, type Scheduled, type Unfurl, type Version,
} from './rooms/words.js'
