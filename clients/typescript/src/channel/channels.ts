// All channels of a Hub: asks the hub for what each channel says, and brings each frame to its channel.

import { HubError } from '../errors.js'
import * as encode from '../protocol/encode.js'
import type {
  ConnectedFrame, GapFrame, Message, MessageFrame, Outcome, PresenceCountFrame, PresenceFrame, ResumeEntry, SkippedFrame, SubscribedFrame,
  SubscriptionResult, UnsubscribedFrame,
} from '../protocol/frames.js'
import { RESUME, utf8Bytes } from '../protocol/limits.js'
import type { Requests } from '../requests/requests.js'
import { Channel } from './channel.js'
import type { Verdict } from './cursor.js'
import type { Member, MemberListener } from './member.js'

/** What was not handed out. */
export interface Counters {
  /** Messages at or below the position: dropped. */
  duplicates: number
  /** Messages behind a hole that nobody announced: each led to a new connection. */
  holes: number
  /** Frames that could not be read. */
  broken: number
  /** Frames of a type that this version does not know. */
  unknown: number
}

export interface ChannelsParts {
  requests: Requests
  counters: Counters
  /** The hub broke the protocol: the connection must begin again. */
  violated: (error: HubError) => void
}

/** How long a subscription that the hub ended for now waits, in milliseconds. */
const PAUSE_MS = 1_000
/** How long the hub may take to answer a subscribe, in milliseconds. */
const ANSWER_MS = 30_000

export class Channels {
  readonly #parts: ChannelsParts
  readonly #channels = new Map<string, Channel>()
  /** The channels of `resume` in the connect frame on its way. */
  #resuming: Channel[] = []
  #ready = false

  constructor(parts: ChannelsParts) {
    this.#parts = parts
  }

  /** A new subscriber. It hears nothing before this call has returned. */
  join(name: string, begin: encode.Begin, wants: encode.Wants, listener: MemberListener): () => void {
    const channel = this.#channels.get(name) ?? new Channel(name)
    this.#channels.set(name, channel)
    const member: Member = channel.join(begin, wants, listener)
    queueMicrotask(() => this.#ask(channel))
    return () => {
      channel.leave(member)
      queueMicrotask(() => this.#ask(channel))
    }
  }

  /** The entries of a connect frame: as many as its bounds allow, the rest is subscribed to later. */
  resume(bytes: number): ResumeEntry[] {
    const entries: ResumeEntry[] = []
    this.#resuming = []
    for (const channel of this.#channels.values()) {
      const entry = channel.resume()
      if (entry === undefined) continue
      bytes -= utf8Bytes(JSON.stringify(entry)) + 1
      if (bytes < 0 || entries.length === RESUME) break
      channel.resuming()
      entries.push(entry)
      this.#resuming.push(channel)
    }
    return entries
  }

  connected(frame: ConnectedFrame): void {
    this.#ready = true
    this.#resuming.forEach((channel, index) => this.#resumed(channel, frame.subscriptions[index]))
    this.#resuming = []
    for (const channel of [...this.#channels.values()]) this.#ask(channel)
  }

  message(frame: MessageFrame): void {
    const channel = this.#channels.get(frame.channel)
    if (channel !== undefined) this.#judge(channel.message(messageOf(frame)), channel, `message ${frame.offset}`)
  }

  gap(frame: GapFrame): void {
    const channel = this.#channels.get(frame.channel)
    if (channel !== undefined) this.#judge(channel.gap(frame), channel, `a gap from ${frame.from}`)
  }

  skipped(frame: SkippedFrame): void {
    this.#channels.get(frame.channel)?.skipped(frame)
  }

  presence(frame: PresenceFrame): void {
    this.#channels.get(frame.channel)?.presence(frame)
  }

  presenceCount(frame: PresenceCountFrame): void {
    this.#channels.get(frame.channel)?.presenceCount(frame)
  }

  /** The hub ended a subscription. */
  ended(frame: UnsubscribedFrame): void {
    const channel = this.#channels.get(frame.channel)
    if (channel === undefined) return
    const error = new HubError(frame.code ?? 'closed', `the hub ended the subscription of ${frame.channel}`)
    if (channel.ended(error)) this.#parts.requests.pauseChannel(channel.name, PAUSE_MS)
    this.#ask(channel)
  }

  lost(): void {
    this.#ready = false
    this.#resuming = []
    for (const channel of [...this.#channels.values()]) {
      channel.lost()
      this.#forgetIdle(channel)
    }
  }

  close(error: HubError | null): void {
    this.#ready = false
    for (const channel of this.#channels.values()) channel.close(error)
    this.#channels.clear()
  }

  #resumed(channel: Channel, result: SubscriptionResult | undefined): void {
    if (result === undefined || result.channel !== channel.name) {
      this.#violated(`the hub did not say how the subscription of ${channel.name} went on`)
    } else if (result.outcome !== undefined) {
      channel.attachedBy(outcomeOf(result), 'resume')
    } else if (channel.refused(new HubError(result.error, `the hub did not take up the subscription of ${channel.name} again`))) {
      this.#parts.requests.pauseChannel(channel.name, PAUSE_MS)
    }
  }

  /** Asks the hub for whatever the channel needs next. */
  #ask(channel: Channel): void {
    this.#forgetIdle(channel)
    if (!this.#ready || this.#channels.get(channel.name) !== channel) return
    const action = channel.next()
    if (action === undefined) return
    const { requests } = this.#parts
    const id = requests.nextId()
    if (action.ask === 'subscribe') {
      requests.tell(encode.subscribe(id, channel.name, action.begin, action.wants), ANSWER_MS, {
        done: (answer) => this.#subscribed(channel, answer as SubscribedFrame),
        failed: (error) => this.#refused(channel, error),
      })
    } else {
      requests.tell(encode.unsubscribe(id, channel.name), ANSWER_MS, {
        done: () => this.#unsubscribed(channel),
        failed: (error) => (error.code === 'timeout' ? this.#parts.violated(error) : this.#unsubscribed(channel)),
      })
    }
  }

  #subscribed(channel: Channel, answer: SubscribedFrame): void {
    channel.attachedBy(outcomeOf(answer), 'subscribe')
    this.#ask(channel)
  }

  #refused(channel: Channel, error: HubError): void {
    // No answer, or one that says that we are out of step: only a new connection makes that clear.
    if (error.code === 'timeout' || error.code === 'already_subscribed') return this.#parts.violated(error)
    channel.refused(error)
    this.#ask(channel)
  }

  #unsubscribed(channel: Channel): void {
    channel.detached()
    this.#ask(channel)
  }

  #judge(verdict: Verdict, channel: Channel, what: string): void {
    if (verdict === 'seen') this.#parts.counters.duplicates++
    if (verdict !== 'hole') return
    this.#parts.counters.holes++
    this.#violated(`${channel.name} is at ${channel.offset} and ${what} came: connecting again from there`)
  }

  #violated(message: string): void {
    this.#parts.violated(new HubError('protocol', message))
  }

  #forgetIdle(channel: Channel): void {
    if (channel.idle && this.#channels.get(channel.name) === channel) this.#channels.delete(channel.name)
  }
}

/** The message of a frame, with fields that a newer hub may have added. */
export function messageOf({ type: _, ...message }: MessageFrame): Message {
  return message
}

/** The outcome alone, without the fields of the frame around it. */
export function outcomeOf(fields: Outcome): Outcome {
  const { outcome, epoch, offset, from, to } = fields
  if (outcome === 'gap') return { outcome, epoch: fields.epoch, offset: fields.offset, from: fields.from, to: fields.to, reason: fields.reason }
  const place = epoch === undefined || offset === undefined ? {} : { epoch, offset }
  return { outcome, ...place, ...(from !== undefined && to !== undefined && { from, to }) } as Outcome
}
