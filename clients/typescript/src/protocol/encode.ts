// Builds the frames that a client says. Fields that say nothing are left out.

import type {
  AskPresenceFrame, ConnectFrame, HistoryFrame, Json, PongFrame, Position, PublishFrame, RefreshFrame, ResumeEntry,
  RoomFrame, SubscribeFrame, UnsubscribeFrame,
} from './frames.js'

/** What a subscription may ask for beside its place. */
export interface Wants {
  presence: boolean
  conflate: boolean
}

/** Where a subscription begins: behind a position, some messages back, or (neither) at what comes next. */
export interface Begin {
  since?: Position | undefined
  rewind?: number | undefined
}

export const pong: PongFrame = { type: 'pong' }

export function connect(token: string, client: string | undefined, resume: ResumeEntry[]): ConnectFrame {
  return { type: 'connect', token, ...(client !== undefined && { client }), ...(resume.length > 0 && { resume }) }
}

export function resumeEntry(channel: string, position: Position | undefined, wants: Wants): ResumeEntry {
  return { channel, ...(position && { epoch: position.epoch, offset: position.offset }), ...flags(wants) }
}

export function subscribe(id: number, channel: string, begin: Begin, wants: Wants): SubscribeFrame {
  const { since, rewind } = begin
  const place = since ? { since: { epoch: since.epoch, offset: since.offset } } : rewind !== undefined ? { rewind } : {}
  return { type: 'subscribe', id, channel, ...place, ...flags(wants) }
}

export function unsubscribe(id: number, channel: string): UnsubscribeFrame {
  return { type: 'unsubscribe', id, channel }
}

export function publish(id: number, channel: string, data: Json, key?: string, conflateKey?: string): PublishFrame {
  return {
    type: 'publish', id, channel,
    ...(key !== undefined && { key }),
    ...(conflateKey !== undefined && { conflate_key: conflateKey }),
    data,
  }
}

/** Which page of a log: behind `after` ascending, or before `before` descending; the newest without both. */
export interface HistoryQuery {
  after?: number | undefined
  before?: number | undefined
  limit?: number | undefined
}

export function history(id: number, channel: string, query: HistoryQuery): HistoryFrame {
  const { after, before, limit } = query
  return {
    type: 'history', id, channel,
    ...(after !== undefined && { after }),
    ...(before !== undefined && { before }),
    ...(limit !== undefined && { limit }),
  }
}

/** Which page of the users. */
export interface PresenceQuery {
  /** Behind this user: `next` of the page before. */
  after?: string | undefined
  /** 1 to 1,000, the default. */
  limit?: number | undefined
}

export function presence(id: number, channel: string, query: PresenceQuery = {}): AskPresenceFrame {
  const { after, limit } = query
  return { type: 'presence', id, channel, ...(after !== undefined && { after }), ...(limit !== undefined && { limit }) }
}

export function refresh(id: number, token: string): RefreshFrame {
  return { type: 'refresh', id, token }
}

/** An operation of rooms. What its fields may be is known where the operations are. */
export function room(id: number, op: string, fields: object, key?: string): RoomFrame {
  const said = Object.entries(fields).filter(([, value]) => value !== undefined)
  return { type: 'room', id, op, ...(key !== undefined && { key }), ...Object.fromEntries(said) }
}

function flags(wants: Wants): { presence?: true; conflate?: true } {
  return { ...(wants.presence && { presence: true as const }), ...(wants.conflate && { conflate: true as const }) }
}
