// The page of whoever has a name: the hub behind it, the room that is open, the panel beside it. Puts the parts
// together and decides where to go.

import { Hub, type HubError, type Room, type Rooms } from '@hubbub/client'
import { byId, make } from '../dom.js'
import { once } from '../keyed.js'
import { pill } from '../pill.js'
import type { App, Panel } from './app.js'
import { Unsent } from './conversation/unsent.js'
import { switchRoom } from './dialogs/switch.js'
import { dress } from './face.js'
import { lastRoom, rememberName, rememberRoom } from './memory.js'
import { Frame } from './panels/frame.js'
import { inboxPanel } from './panels/inbox.js'
import { Noticed } from './panels/noticed.js'
import { peoplePanel } from './panels/people.js'
import { pinsPanel } from './panels/pins.js'
import { searchPanel } from './panels/search.js'
import { threadPanel } from './panels/thread.js'
import { threadsPanel } from './panels/threads.js'
import { OpenRoom } from './room/open.js'
import { Side } from './side/side.js'
import { Titles } from './titles.js'
import { developmentToken } from './who.js'

/** Where everybody meets. */
const GENERAL = { channel: 'room:general', kind: 'public', name: 'General' } as const
/** For how long a problem is shown that nobody takes back, in milliseconds. */
const PROBLEM_MS = 12_000
/** A connection that is lost for less is not worth a word, in milliseconds. */
const OFFLINE_MS = 1_200
/** Wide enough for people beside the talk from the beginning. */
const WIDE = '(min-width: 1320px)'

export class Page implements App {
  readonly user: string
  readonly rooms: Rooms
  readonly titles: Titles
  readonly unsent: Unsent
  readonly #hub: Hub
  readonly #frame: Frame
  readonly #side: Side
  readonly #noticed = new Noticed(this)
  #open: OpenRoom | undefined
  #problem: ReturnType<typeof setTimeout> | undefined
  #offline: ReturnType<typeof setTimeout> | undefined

  constructor(user: string) {
    this.user = user
    this.unsent = new Unsent(user)
    this.#hub = new Hub({ url: '/', token: () => developmentToken(user), client: 'hubbub-web/0.1' })
    this.rooms = this.#hub.rooms
    const draw = once(() => this.#draw())
    this.titles = new Titles(this.rooms, user, draw)
    this.#frame = new Frame(draw)
    this.#side = new Side(this, (id) => this.#toggle(id))
    this.#standing()
    this.rooms.on('change', draw)
    this.rooms.inbox.on('change', draw)
    this.rooms.threads.on('change', draw)
    this.rooms.on('error', (error) => this.tell(error.message))
    this.#identity()
    document.addEventListener('keydown', (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key !== 'k') return
      event.preventDefault()
      if (document.querySelector('dialog[open]') === null) switchRoom(this)
    })
  }

  get room(): Room | undefined {
    return this.#open?.room
  }

  get shown(): Panel['id'] | undefined {
    return this.#frame.shown
  }

  /** Opens the room that was asked for, the last one, or the one where everybody meets. */
  async begin(asked: string | null): Promise<void> {
    byId('app').hidden = false
    let first = asked ?? lastRoom(this.user) ?? GENERAL.channel
    try {
      // One may have been taken out of the last room in the meantime.
      if (asked === null && first !== GENERAL.channel && !(await this.#isIn(first))) first = GENERAL.channel
      if (first === GENERAL.channel) await this.#meet()
      this.go(first)
    } catch (error) {
      this.go(first)
      this.tell((error as HubError).message)
    }
    this.unsent.begin(this.rooms)
    this.attempt(Promise.all([this.rooms.inbox.load(), this.rooms.threads.load()]))
    if (matchMedia(WIDE).matches && this.room !== undefined) this.#frame.show(peoplePanel(this, this.room), false)
  }

  go(channel: string, { message, thread }: { message?: string | undefined; thread?: string | undefined } = {}): void {
    const other = this.#open?.room.channel !== channel
    if (other) this.#enter(channel)
    const open = this.#open
    if (open === undefined) return
    this.#frame.side(false)
    if (thread !== undefined) {
      const begun = other ? open.talk.begin() : Promise.resolve()
      void begun.then(() => this.#open === open && this.show(threadPanel(this, open.room, thread, message)))
    } else if (message !== undefined) void open.talk.view.jump(message)
    else {
      if (other) void open.talk.begin()
      // Where there is no keyboard but the one on the screen, it must not cover the messages before it is asked for.
      if (matchMedia('(pointer: fine)').matches) open.talk.focus()
      else open.talk.view.focus()
    }
    if (message !== undefined && thread === undefined && this.shown !== undefined && matchMedia('(max-width: 1080px)').matches) this.show(null)
  }

  elsewhere(): void {
    const next = this.rooms.list.find(({ channel, me }) => me.state === 'joined' && channel !== this.room?.channel)
    if (next === undefined) this.attempt(this.#meet().then(() => this.go(GENERAL.channel)))
    else this.go(next.channel)
  }

  show(panel: Panel | null): void {
    this.#frame.show(panel)
  }

  tell(problem: string | null): void {
    const banner = byId('problem')
    clearTimeout(this.#problem)
    banner.hidden = problem === null
    banner.replaceChildren(problem ?? '')
    if (problem !== null) this.#problem = setTimeout(() => this.tell(null), PROBLEM_MS)
  }

  attempt(work: Promise<unknown>): void {
    work.catch((error: HubError) => this.tell(error.message))
  }

  announce(text: string): void {
    const log = byId('said')
    log.append(make('p', { text }))
    while (log.childElementCount > 20) log.firstElementChild?.remove()
  }

  async #isIn(channel: string): Promise<boolean> {
    if (!this.rooms.loaded) {
      await new Promise<void>((resolve) => {
        const off = this.rooms.on('change', () => {
          if (!this.rooms.loaded) return
          off()
          resolve()
        })
      })
    }
    return this.rooms.get(channel)?.me.state === 'joined'
  }

  /** Makes the room where everybody meets, or joins it when it is there. */
  async #meet(): Promise<void> {
    try {
      await this.rooms.join(GENERAL.channel)
    } catch (error) {
      if ((error as HubError).code !== 'not_found') throw error
      // Somebody else may make it in the same moment.
      await this.rooms.create(GENERAL).catch(() => this.rooms.join(GENERAL.channel))
    }
  }

  #enter(channel: string): void {
    const panel = this.shown
    this.#open?.close()
    rememberRoom(this.user, channel)
    history.replaceState(null, '', `?channel=${encodeURIComponent(channel)}`)
    this.tell(null)
    this.#open = new OpenRoom(this, channel, { side: () => this.#frame.side(true), panel: (id) => this.#toggle(id) })
    // What belongs to a room goes with it; people stay open, of the other room.
    if (panel === 'people' && !matchMedia('(max-width: 1080px)').matches) this.#frame.show(peoplePanel(this, this.#open.room), false)
    else if (panel !== undefined && panel !== 'inbox' && panel !== 'search' && panel !== 'threads') this.#frame.show(null)
    this.#draw()
  }

  #toggle(id: Panel['id']): void {
    if (this.shown === id) return this.show(null)
    const room = this.room
    if (id === 'inbox') this.show(inboxPanel(this))
    else if (id === 'threads') this.show(threadsPanel(this))
    else if (id === 'search') this.show(searchPanel(this))
    else if (room !== undefined) this.show(id === 'pins' ? pinsPanel(this, room) : peoplePanel(this, room))
  }

  #draw(): void {
    this.#side.draw()
    this.#open?.draw()
    this.#noticed.look()
    const to = this.rooms.list.reduce((sum, { mentions, unread, room }) => sum + (room.kind === 'direct' ? unread : mentions), 0)
    const title = document.title.replace(/^\(\d+\) /, '')
    document.title = to > 0 ? `(${to}) ${title}` : title
  }

  #identity(): void {
    byId('my-name').textContent = this.user
    dress(byId('my-face'), this.user)
    byId('leave').onclick = () => {
      this.#hub.close()
      rememberName(null)
      location.assign(location.pathname)
    }
  }

  #standing(): void {
    const show = pill(byId('connection'))
    const banner = byId('offline')
    let before = false
    this.#hub.on('state', ({ state, error }) => {
      show({ state, error, before })
      before ||= state === 'connected'
      clearTimeout(this.#offline)
      if (state === 'connected') banner.hidden = true
      else if (before && state !== 'closed') {
        this.#offline = setTimeout(() => {
          banner.textContent = 'No connection. What you write is sent when it is back.'
          banner.hidden = false
        }, OFFLINE_MS)
      }
      if (state === 'closed' && error !== null) this.tell(error.message)
    })
    this.#hub.on('error', (error) => this.tell(error.message))
  }
}
