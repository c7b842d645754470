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
