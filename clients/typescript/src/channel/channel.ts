// One channel: its members share one subscription on the wire. Says what to ask the hub for and hands out what
// comes. Knows no socket and no ids of requests; ./channels.ts asks.

import type { HubError } from '../errors.js'
import { isTemporary } from '../protocol/codes.js'
import { type Begin, resumeEntry, type Wants } from '../protocol/encode.js'
import type { Gap, Message, Outcome, Position, PresenceChange, PresenceCount, ResumeEntry, Skipped } from '../protocol/frames.js'
import { Cursor, type Verdict } from './cursor.js'
import { beginWith, goOn, type Member, type MemberListener, type Start } from './member.js'

/** Where the shared subscription is. */
type Wire = 'off' | 'asking' | 'on' | 'leaving'

/** What to ask the hub for. */
export type Action = { ask: 'subscribe'; begin: Begin; wants: Wants } | { ask: 'unsubscribe' }

export class Channel {
  readonly name: string
  readonly #members = new Set<Member>()
  #cursor = new Cursor()
  #wire: Wire = 'off'
  /** Whether the hub ever answered: only then is there a place to go on from. */
  #attached = false
  #asked: { begin: Begin; wants: Wants } = { begin: {}, wants: { presence: false, conflate: false } }
  /** The newest offset that is known of. */
  #head = 0

  constructor(name: string) {
    this.name = name
  }

  /** Whether nobody wants the channel and the hub knows of nothing: it can be forgotten. */
  get idle(): boolean {
    return this.#members.size === 0 && this.#wire === 'off'
  }

  /** The offset of the shared subscription, for messages to people. */
  get offset(): number | undefined {
    return this.#cursor.position?.offset
  }

  join(begin: Begin, wants: Wants, listener: MemberListener): Member {
    const member: Member = { begin, wants, listener, begun: false, position: undefined }
    this.#members.add(member)
    return member
  }

  leave(member: Member): void {
    this.#members.delete(member)
  }

  /** The next thing to ask the hub for, if anything. It counts as asked. */
  next(): Action | undefined {
    if (this.#wire === 'on') {
      this.#beginAtHead()
      if (this.#members.size > 0 && !this.#tooNarrow()) return undefined
      this.#wire = 'leaving'
      return { ask: 'unsubscribe' }
    }
    if (this.#wire !== 'off' || this.#members.size === 0) return undefined
    this.#wire = 'asking'
    this.#asked = { begin: this.#place(), wants: this.#wants() }
    return { ask: 'subscribe', ...this.#asked }
  }

  /** The entry for a connect frame; undefined when the channel must be subscribed to instead. */
  resume(): ResumeEntry | undefined {
    if (this.#wire !== 'off' || this.#members.size === 0) return undefined
    const begin = this.#place()
    if (begin.since === undefined && (!this.#attached || begin.rewind !== undefined)) return undefined
    return resumeEntry(this.name, begin.since, this.#wants())
  }

  /** The entry went out. */
  resuming(): void {
    this.#asked = { begin: this.#place(), wants: this.#wants() }
    this.#wire = 'asking'
  }

  /** The hub answered. After a `resume` everybody hears of it, else only who was waiting. */
  attachedBy(outcome: Outcome, how: 'subscribe' | 'resume'): void {
    this.#wire = 'on'
    this.#attached = true
    this.#cursor.attach(outcome)
    this.#head = Math.max(outcome.offset ?? 0, this.#cursor.position?.offset ?? 0)
    for (const member of [...this.#members]) {
      if (!member.begun) this.#start(member, beginWith(member, this.#asked.begin, outcome))
      else this.#goOn(member, goOn(member, outcome), how)
    }
  }

  /** The hub answered an `unsubscribe`. */
  detached(): void {
    this.#wire = 'off'
  }

  /** The hub ended the running subscription. True when it should be asked again after a while. */
  ended(error: HubError): boolean {
    // In any other state the answer to our own request says what is what.
    return this.#wire === 'on' && this.refused(error)
  }

  /** The hub refused the subscription. True when it should be asked again after a while. */
  refused(error: HubError): boolean {
    this.#wire = 'off'
    if (isTemporary(error.code)) return true
    const waiting = [...this.#members].filter((member) => !member.begun)
    // A wish of a newcomer that the hub does not grant must not end what others had before.
    for (const member of waiting.length > 0 ? waiting : [...this.#members]) this.#end(member, error)
    return this.#members.size > 0
  }

  /** The connection is gone. */
  lost(): void {
    this.#wire = 'off'
  }

  close(error: HubError | null): void {
    for (const member of [...this.#members]) this.#end(member, error)
  }

  message(message: Message): Verdict {
    const verdict = this.#cursor.message(message)
    if (verdict !== 'next') return verdict
    const position = message.offset === undefined ? undefined : this.#cursor.position
    if (position !== undefined) this.#head = Math.max(this.#head, position.offset)
    for (const member of [...this.#members]) {
      if (!member.begun || isBehind(position, member.position)) continue
      if (position !== undefined) member.position = position
      member.listener.message(message)
    }
    return verdict
  }

  gap(gap: Gap): Verdict {
    const verdict = this.#cursor.gap(gap)
    if (verdict !== 'next') return verdict
    this.#head = Math.max(this.#head, gap.to)
    const position = this.#cursor.position
    for (const member of [...this.#members]) {
      if (!member.begun || isBehind(position, member.position)) continue
      const seen = member.position?.epoch === gap.epoch ? member.position.offset : 0
      member.position = position
      member.listener.gap({ ...plain(gap), from: Math.max(gap.from, seen + 1) })
    }
    return verdict
  }

  skipped(skipped: Skipped): void {
    this.#cursor.skipped(skipped.count)
    for (const member of this.#begun()) member.listener.skipped({ channel: skipped.channel, count: skipped.count })
  }

  presence(change: PresenceChange): void {
    const { channel, version, event, user } = change
    for (const member of this.#begun()) {
      if (member.wants.presence) member.listener.presence({ channel, version, event, user })
    }
  }

  presenceCount({ channel, version, count }: PresenceCount): void {
    for (const member of this.#begun()) {
      if (member.wants.presence) member.listener.presenceCount({ channel, version, count })
    }
  }

  /** Whoever wants only what comes next can begin on the running subscription. */
  #beginAtHead(): void {
    const { position } = this.#cursor
    const here: Outcome = position
      ? { outcome: 'continued', epoch: position.epoch, offset: this.#head, from: position.offset + 1, to: this.#head }
      : { outcome: 'fresh' }
    for (const member of [...this.#members]) {
      if (member.begun || this.#isTooNarrowFor(member)) continue
      this.#start(member, beginWith(member, { since: position }, here))
    }
  }

  #start(member: Member, start: Start | undefined): void {
    if (start === undefined || this.#isTooNarrowFor(member)) return
    member.begun = true
    member.position = start.position
    this.#tell(member, start.outcome)
  }

  #goOn(member: Member, start: Start, how: 'subscribe' | 'resume'): void {
    member.position = start.position
    if (how === 'resume' || start.outcome.outcome === 'gap') this.#tell(member, start.outcome)
  }

  #tell(member: Member, outcome: Outcome): void {
    const { listener } = member
    listener.outcome(outcome)
    if (outcome.outcome !== 'gap') return
    const { epoch, from, to, reason } = outcome
    listener.gap({ channel: this.name, epoch, from, to, reason })
  }

  #end(member: Member, error: HubError | null): void {
    this.#members.delete(member)
    member.listener.ended(error)
  }

  #begun(): Member[] {
    return [...this.#members].filter((member) => member.begun)
  }

  #tooNarrow(): boolean {
    return [...this.#members].some((member) => !member.begun)
  }

  #isTooNarrowFor({ wants }: Member): boolean {
    const asked = this.#asked.wants
    return (wants.presence && !asked.presence) || (!wants.conflate && asked.conflate)
  }

  /** Presence when anybody wants it; conflation only when everybody does. */
  #wants(): Wants {
    const all = [...this.#members]
    return { presence: all.some((m) => m.wants.presence), conflate: all.length > 0 && all.every((m) => m.wants.conflate) }
  }

  /** Where the shared subscription must begin so that it serves everybody. */
  #place(): Begin {
    const waiting = [...this.#members].filter((member) => !member.begun)
    const here = this.#attached ? this.#cursor.position : undefined
    const sinces = waiting.flatMap(({ begin }) => begin.since ?? [])
    const rewind = waiting.reduce((most, { begin }) => Math.max(most, begin.rewind ?? 0), 0)
    if (here === undefined) {
      const [first, ...others] = sinces
      if (first === undefined) return rewind > 0 ? { rewind } : {}
      return { since: others.filter(({ epoch }) => epoch === first.epoch).reduce(lower, first) }
    }
    // Another epoch can not be compared with this one: the hub alone knows what it means.
    const foreign = sinces.find(({ epoch }) => epoch !== here.epoch)
    if (foreign !== undefined) return { since: foreign }
    const back: Position = { epoch: here.epoch, offset: Math.max(0, this.#head - rewind) }
    return { since: [...sinces, ...(rewind > 0 ? [back] : [])].reduce(lower, here) }
  }
}

function lower(a: Position, b: Position): Position {
  return b.offset < a.offset ? b : a
}

/** Whether a message at `position` is not new to somebody who has seen `seen`. */
function isBehind(position: Position | undefined, seen: Position | undefined): boolean {
  return position !== undefined && seen !== undefined && position.epoch === seen.epoch && position.offset <= seen.offset
}

function plain({ channel, epoch, from, to, reason }: Gap): Gap {
  return { channel, epoch, from, to, reason }
}
