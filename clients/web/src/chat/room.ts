// One channel as a person sees it: brings the hub's events into the timeline and the list of people, and what the
// person writes to the hub.

import { type Hub, type HubError, type Json, type Message, newKey, type Outcome, type Subscription } from '@hubbub/client'
import { byId, make } from '../dom.js'
import { face } from './face.js'
import { MessageList } from './message-list.js'
import { People } from './people.js'
import { Timeline } from './timeline.js'

const PAGE = 50
/** Within which a list that is out of date is asked for again. */
const ASK_AGAIN_MS = 1_000

export class Room {
  readonly #hub: Hub
  readonly #user: string
  readonly #channel: string
  readonly #timeline: Timeline
  readonly #people = new People()
  readonly #list: MessageList
  readonly #say: (problem: string | null) => void
  #subscription: Subscription
  /** Whether the channel has a log; undefined until the hub has answered. */
  #logged: boolean | undefined
  #more = false
  #loading = false
  #unseen = 0
  #drawing = false
  #asking: ReturnType<typeof setTimeout> | undefined
  /** Another room is on the page now: this one only waits for what it has sent. */
  #left = false

  constructor(hub: Hub, user: string, channel: string, say: (problem: string | null) => void) {
    this.#hub = hub
    this.#user = user
    this.#channel = channel
    this.#say = say
    this.#timeline = new Timeline(user)
    this.#list = new MessageList(user, {
      retry: (key) => this.#retry(key),
      discard: (key) => {
        this.#timeline.discard(key)
        this.#draw()
      },
      earlier: () => void this.earlier(),
    })
    this.#list.clear()
    this.#showPeople()
    this.#showBefore()
    this.#subscription = this.#subscribe(true)
  }

  leave(): void {
    this.#left = true
    clearTimeout(this.#asking)
    this.#list.close()
    this.#subscription.unsubscribe()
  }

  /** Shows the text at once and sends it; the hub's own copy takes its place. */
  send(text: string): void {
    const key = newKey()
    this.#timeline.draft({ key, text, time: Date.now() })
    this.#draw()
    this.#list.toEnd()
    this.#publish(key, text)
  }

  /** A page of older messages. */
  async earlier(): Promise<void> {
    const before = this.#timeline.first
    if (this.#loading || !this.#more || before === undefined) return
    this.#loading = true
    try {
      const page = await this.#hub.history(this.#channel, { before, limit: PAGE })
      for (const message of page.messages) this.#timeline.add(message)
      this.#more = page.more
      this.#say(null)
    } catch (error) {
      if (this.#left) return
      this.#say(`Earlier messages can not be had now: ${(error as HubError).message}`)
    } finally {
      this.#loading = false
    }
    this.#draw()
    this.#showBefore()
  }

  #subscribe(presence: boolean): Subscription {
    const subscription = this.#hub.subscribe(this.#channel, { rewind: PAGE, presence })
    subscription.on('outcome', (outcome) => this.#outcome(outcome, presence))
    subscription.on('message', (message) => this.#message(message))
    subscription.on('gap', (gap) => {
      this.#timeline.gap(gap)
      this.#draw()
    })
    subscription.on('presence', (change) => {
      if (!this.#people.change(change)) this.#askSoon()
      this.#showPeople(`${change.user} ${change.event === 'join' ? 'joined' : 'left'}`)
    })
    subscription.on('presenceCount', (count) => {
      if (!this.#people.counted(count)) this.#askSoon()
      this.#showPeople()
    })
    subscription.on('end', (error) => {
      if (error?.code === 'not_supported' && presence) this.#subscription = this.#subscribe(false)
      else if (error !== null) this.#say(`You can not read ${this.#channel}: ${error.message}`)
    })
    return subscription
  }

  #outcome(outcome: Outcome, presence: boolean): void {
    this.#logged = outcome.epoch !== undefined
    if (outcome.outcome === 'fresh') this.#more = (outcome.from ?? (outcome.offset ?? 0) + 1) > 1
    this.#showBefore()
    if (!this.#left) byId('show-people').hidden = !presence
    if (!presence) return this.#showPeople('This channel does not tell who is here')
    this.#people.reset()
    void this.#askWhoIsThere()
  }

  #message(message: Message<Json>): void {
    if (this.#timeline.add(message) && message.from !== this.#user) this.#unseen++
    if (this.#timeline.trim()) this.#more = true
    this.#draw()
  }

  #publish(key: string, text: string): void {
    this.#hub.publish(this.#channel, { text }, { key }).then(
      (ack) => {
        // Usually the message came first; on a channel that we can not read the ack is all there is.
        const { message: id, time, ...position } = ack
        this.#timeline.add({ channel: this.#channel, id, time, ...position, from: this.#user, key, data: { text } })
        this.#draw()
      },
      (error: HubError) => {
        if (this.#left) return this.#say(`“${text}” was not sent to ${this.#channel}: ${error.message}`)
        this.#timeline.fail(key, error.message)
        this.#draw()
      },
    )
  }

  #retry(key: string): void {
    const item = this.#timeline.items().find(({ id }) => id === `k:${key}`)
    if (item?.kind !== 'draft') return
    this.#timeline.fail(key, undefined)
    this.#draw()
    this.#publish(key, item.draft.text)
  }

  /** Everybody in the channel finds the same list out of date at once: each asks at a moment of its own. */
  #askSoon(): void {
    this.#asking ??= setTimeout(() => {
      this.#asking = undefined
      if (!this.#left) void this.#askWhoIsThere()
    }, Math.random() * ASK_AGAIN_MS)
  }

  async #askWhoIsThere(): Promise<void> {
    try {
      this.#people.snapshot(await this.#hub.presence(this.#channel))
      this.#showPeople()
    } catch (error) {
      this.#showPeople(`Who is here is not known now: ${(error as HubError).message}`)
    }
  }

  /** Once for all that came in one go. */
  #draw(): void {
    if (this.#drawing) return
    this.#drawing = true
    queueMicrotask(() => {
      this.#drawing = false
      if (this.#left) return
      this.#list.draw(this.#timeline.items(), this.#unseen)
      this.#unseen = 0
    })
  }

  #showBefore(): void {
    if (this.#left) return
    const begins = this.#logged ? `This is the beginning of ${this.#channel}` : 'Nothing is kept here: you see what is said while you are here'
    byId('earlier').hidden = !this.#more
    byId('beginning').hidden = this.#more || this.#logged === undefined
    byId('beginning').textContent = begins
  }

  #showPeople(note = ''): void {
    if (this.#left) return
    const names = this.#people.names
    byId('people-count').textContent = String(this.#people.count)
    byId('people-note').textContent = note
    byId('people-list').replaceChildren(...names.map((name) => {
      const label = name === this.#user ? `${name} (you)` : name
      return make('li', { testid: 'person', data: { user: name } }, face(name), make('span', { class: 'who', text: label }))
    }))
  }
}
