// A conversation with its composer: the list above, who types, and where one writes, or why one can not.

import type { Conversation, Room, ShownMessage } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { once, same } from '../../keyed.js'
import type { App } from '../app.js'
import { Composer } from '../composer/composer.js'
import { Later } from '../composer/later.js'
import { shutElement } from '../composer/shut.js'
import { typingWords } from '../composer/typing.js'
import { has, type Shut, shut, slow } from '../rights.js'
import type { Candidate } from '../words/mention.js'
import { placeOf } from './unsent.js'
import { ConversationView } from './view.js'

export interface TalkParts {
  app: App
  room: Room
  conversation: Conversation
  label: string
  placeholder: string
  /** Whether one was in the room, and is no longer: whoever is banned is told nothing else. */
  gone: () => boolean
  thread?: string
  root?: () => ShownMessage | undefined
  empty: () => (Node | string)[]
  opening?: () => string
}

export class Talk {
  readonly element = make('div', { class: 'room' })
  readonly view: ConversationView
  readonly #parts: TalkParts
  readonly #composer: Composer
  readonly #later: Later
  readonly #typing = make('p', { class: 'typing', testid: 'typing', is: { role: 'status' } })
  readonly #foot = make('div')
  readonly #off: (() => void)[]
  #shut: readonly unknown[] = []
  /** The focus was wanted before it was known whether one may write. */
  #wanted = false
  #again: ReturnType<typeof setTimeout> | undefined

  constructor(parts: TalkParts) {
    this.#parts = parts
    const { app, room, conversation } = parts
    this.#later = new Later({
      app, room, conversation, thread: parts.thread, written: () => this.#composer.written, taken: (written) => this.#composer.taken(written),
    })
    this.#composer = new Composer(app.user, placeOf(room.channel, parts.thread), parts.placeholder, this.#later, {
      send: (text, entities, replyTo) => {
        try {
          app.unsent.send(conversation, parts.thread, { text, entities, replyTo })
        } catch (error) {
          app.tell((error as Error).message)
        }
        this.view.wrote()
      },
      edit: (message, text, entities) => app.attempt(conversation.edit(message.id, text, entities)),
      typing: () => conversation.typing(),
      lastOwn: () => this.view.lastOwn,
      names: () => names(room, app.user),
      wait: () => this.#wait(),
    })
    this.view = new ConversationView({
      ...parts,
      doing: { reply: (message) => this.#composer.reply(message), edit: (message) => this.#composer.edit(message), write: () => this.focus() },
    })
    this.element.append(this.view.element, this.#typing, this.#foot)
    const draw = once(() => this.draw())
    this.#off = [conversation.on('change', draw), ...(conversation === room ? [] : [room.on('change', draw)])]
    this.draw()
    app.unsent.resume(conversation, parts.thread)
  }

  async begin(): Promise<void> {
    await this.view.begin()
  }

  /** Puts the focus where one writes, or on the list where one can not. */
  focus(): void {
    this.#wanted = this.#foot.childElementCount === 0
    if (this.#foot.contains(this.#composer.element)) this.#composer.focus()
    else this.view.focus()
  }

  close(): void {
    for (const off of this.#off) off()
    clearTimeout(this.#again)
    this.#composer.close()
    this.view.close()
    this.element.remove()
  }

  /** What it shows of the room may be different now. */
  draw(): void {
    const { room, conversation } = this.#parts
    const words = typingWords(conversation.writers)
    if (this.#typing.textContent !== words) this.#typing.replaceChildren(named(words))
    if (room.room === undefined) return
    const now = Date.now()
    const why = this.#parts.gone() ? { why: 'outside' as const } : shut(room.room, room.me, now)
    this.#composer.refresh()
    if (why === null) this.#later.begin()
    clearTimeout(this.#again)
    // A mute ends by itself.
    if (why?.why === 'muted' && why.until - now < 2 ** 31) this.#again = setTimeout(() => this.draw(), why.until - now + 50)
    this.#lay(why)
  }

  #lay(why: Shut | null): void {
    const shows = [why?.why, why?.why === 'muted' ? why.until : 0, this.#foot.childElementCount > 0]
    if (same(shows, this.#shut)) return
    const { app, room } = this.#parts
    this.#foot.replaceChildren(why === null ? this.#composer.element : shutElement(app, room, why))
    this.#shut = [...shows.slice(0, 2), true]
    if (this.#wanted && this.view.hasFocus) this.focus()
  }

  /** Slow mode counts from one's last message, whichever of the two it was in. */
  #wait(): number {
    const { app, room, conversation } = this.#parts
    if (room.room === undefined) return 0
    const own = [...room.messages, ...conversation.messages].filter(({ from, outgoing }) => from === app.user && outgoing?.state !== 'failed')
    const last = own.reduce<number | undefined>((latest, { time }) => Math.max(latest ?? 0, time), undefined)
    return slow(room.room, room.me, last, Date.now())
  }
}

/** Who can be mentioned: who spoke last first, then the other members, then all at once. */
function names(room: Room, user: string): Candidate[] {
  const spoke = room.messages.toReversed().flatMap(({ from }) => (from === undefined ? [] : [from]))
  const members = room.members.filter(({ state }) => state === 'joined').map((member) => member.user)
  const here = room.presence?.users ?? []
  const people = [...new Set([...spoke, ...here, ...members])].filter((name) => name !== user)
  const groups: Candidate[] = [{ name: 'moderators', note: 'all moderators' }, { name: 'owners', note: 'all owners' }]
  const all: Candidate[] = has(room.me, room.room?.mention_all ?? 'member') ? [{ name: 'here', note: 'everybody in this room' }] : []
  return [...people.map((name) => ({ name })), ...(room.room?.kind === 'direct' ? [] : [...all, ...groups])]
}
