// What rooms need of the Hub, and operations over its requests: keys for what changes something, and how long each is
// tried. Knows nothing of what the operations mean.

import { HubError } from '../../errors.js'
import { GIVE_UP_MAX_MS, READ_GIVE_UP_MS } from '../../options.js'
import * as encode from '../../protocol/encode.js'
import type { PresenceSnapshot, ReplyFrame } from '../../protocol/frames.js'
import { newKey } from '../../random.js'
import type { AnswerFrame } from '../../requests/queue.js'
import type { Requests } from '../../requests/requests.js'
import type { Subscription } from '../../subscription.js'
import type { Timers } from '../../timers.js'
import { check } from '../answers.js'
import type { AnswerOf, FieldsOf, Operation } from '../operations.js'

/** The part of the Hub that rooms see. */
export interface RoomsHub {
  readonly requests: Requests
  readonly timers: Timers
  readonly random: () => number
  /** How long a change is tried, in milliseconds. */
  readonly giveUpMs: number
  /** Connects if need be; why that can not be, when the Hub is closed. */
  connect(): HubError | undefined
  isConnected(): boolean
  subscribe(channel: string, presence: boolean): Subscription
  presence(channel: string): Promise<PresenceSnapshot>
}

export interface CallOptions {
  /** The idempotency key of a change; made when not given. */
  key?: string | undefined
  giveUpMs?: number | undefined
  /** Whether a refusal that may pass is not to be waited for. */
  final?: ((error: HubError) => boolean) | undefined
}

/** Hears the answer at once, before the frame behind it. */
export interface AnswerHearing<O extends Operation> {
  done(answer: AnswerOf<O>): void
  failed(error: HubError): void
}

/** Operations that change nothing: they go without a key. */
const QUESTIONS: ReadonlySet<Operation> = new Set<Operation>([
  'rooms', 'room', 'members', 'discover', 'typing', 'messages', 'message', 'versions', 'scheduled', 'search', 'threads', 'receipts',
  'reports', 'audit', 'inbox',
])

export class Port {
  readonly hub: RoomsHub

  constructor(hub: RoomsHub) {
    this.hub = hub
  }

  /** Does an operation, over lost connections if need be. */
  async ask<O extends Operation>(op: O, fields: FieldsOf<O>, options: CallOptions = {}): Promise<AnswerOf<O>> {
    const { requests, giveUpMs } = this.hub
    const closed = this.hub.connect()
    if (closed !== undefined) throw closed
    const changes = isChange(op, fields)
    const key = options.key ?? (changes ? newKey() : undefined)
    const tryMs = Math.min(options.giveUpMs ?? (changes ? giveUpMs : READ_GIVE_UP_MS), GIVE_UP_MAX_MS)
    const frame = encode.room(requests.nextId(), op, fields, key)
    const reply = await requests.ask<ReplyFrame>(frame, { giveUpMs: tryMs, key, final: options.final })
    return answerOf(op, reply)
  }

  /** Asks on this connection alone: when it is lost, nobody hears of it again. */
  tell<O extends Operation>(op: O, fields: FieldsOf<O>, hearing: AnswerHearing<O>): void {
    const { requests } = this.hub
    requests.tell(encode.room(requests.nextId(), op, fields), READ_GIVE_UP_MS, {
      done: (reply) => {
        let answer: AnswerOf<O>
        try {
          answer = answerOf(op, reply)
        } catch (error) {
          return hearing.failed(error as HubError)
        }
        hearing.done(answer)
      },
      failed: (error) => hearing.failed(error),
    })
  }
}

/** `filters` is a question as long as it brings none. */
function isChange(op: Operation, fields: object): boolean {
  if (op === 'filters') return 'words' in fields || 'links' in fields
  return !QUESTIONS.has(op)
}

function answerOf<O extends Operation>(op: O, reply: AnswerFrame): AnswerOf<O> {
  const answer = 'result' in reply ? reply.result : undefined
  check(op, answer)
  // Whether a list says that it ends by leaving `next` out or by null is all the same.
  if (answer?.next === null) delete answer.next
  // Looked at as far as anything here depends on it.
  return answer as unknown as AnswerOf<O>
}
