// Where one writes: a text, what it answers or edits, and how it is sent. Knows neither the hub nor the list.

import type { Entity, ShownMessage } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { draft, rememberDraft } from '../memory.js'
import { iconButton, sign } from '../sign.js'
import { seconds } from '../words/clock.js'
import { read, write } from '../words/markup.js'
import type { Candidate } from '../words/mention.js'
import { Completion } from './completion.js'
import type { Later, Written } from './later.js'

/** As the contract says. */
const LENGTH = 8_000
/** Whether a text field grows with its text by itself. */
const GROWS = CSS.supports('field-sizing', 'content')
/** From here on it is told how much is left. */
const TELL_FROM = 7_500

export interface ComposerEvents {
  send(text: string, entities: Entity[], replyTo: string | undefined): void
  edit(message: ShownMessage, text: string, entities: Entity[]): void
  typing(): void
  /** The last message of one's own, to edit it. */
  lastOwn(): ShownMessage | undefined
  names(): readonly Candidate[]
  /** How long one has to wait before the next message, in milliseconds. */
  wait(): number
}

type With = { does: 'reply' | 'edit'; message: ShownMessage }

export class Composer {
  readonly element: HTMLFormElement
  readonly #text: HTMLTextAreaElement
  readonly #send = make('button', { class: 'primary send', testid: 'send-button', label: 'Send' }, sign('send'))
  readonly #with = make('div', { class: 'with', testid: 'composer-with' })
  readonly #counts = make('div', { class: 'counts', testid: 'composer-count', is: { role: 'status' } })
  readonly #completion: Completion
  readonly #later: Later
  readonly #events: ComposerEvents
  readonly #user: string
  /** Where the draft is kept. */
  readonly #place: string
  #goes: With | undefined
  #countdown: ReturnType<typeof setInterval> | undefined

  constructor(user: string, place: string, label: string, later: Later, events: ComposerEvents) {
    this.#events = events
    this.#later = later
    this.#user = user
    this.#place = place
    this.#text = make('textarea', {
      testid: 'composer-input', label, is: { rows: '1', placeholder: label, enterkeyhint: 'send', dir: 'auto' },
    })
    this.#text.value = draft(user, place)
    this.#with.hidden = this.#counts.hidden = true
    this.#completion = new Completion(this.#text, events.names)
    const line = make('div', { class: 'line' }, this.#text, later.button, this.#send)
    const box = make('div', { class: 'box' }, later.bar, this.#with, line, this.#counts)
    const form = make('form', { class: 'composer', testid: 'composer' }, this.#completion.element, box)
    form.onsubmit = (event) => {
      event.preventDefault()
      this.#submit()
    }
    this.#text.oninput = () => this.#typed()
    this.#text.onkeydown = (event) => this.#key(event)
    this.element = form
    this.#show()
  }

  close(): void {
    clearInterval(this.#countdown)
    this.#later.close()
  }

  /** What could be sent now; undefined when there is nothing, or when something is edited. */
  get written(): Written | undefined {
    const { text, entities } = read(this.#text.value)
    if (text === '' || text.length > LENGTH || this.#goes?.does === 'edit') return undefined
    return { text, entities, replyTo: this.#goes?.message.id }
  }

  /** That was taken over: it is not in the field any more, unless it was changed meanwhile. */
  taken(written: Written): void {
    if (this.written?.text !== written.text) return
    this.#goes = undefined
    this.#with.hidden = true
    rememberDraft(this.#user, this.#place, '')
    this.#fill('')
    this.focus()
  }

  focus(): void {
    this.#text.focus()
  }

  reply(message: ShownMessage): void {
    this.#begin({ does: 'reply', message })
  }

  edit(message: ShownMessage): void {
    this.#begin({ does: 'edit', message })
    this.#fill(write({ text: message.text, entities: [...message.entities] }))
  }

  /** The room is another now: how long one waits may be, too. */
  refresh(): void {
    this.#show()
  }

  #begin(goes: With): void {
    if (this.#goes?.does === 'edit') this.#fill(draft(this.#user, this.#place))
    this.#goes = goes
    const { does, message } = goes
    const cancel = iconButton('close', 'Cancel', 'composer-cancel')
    cancel.onclick = () => this.#cancel()
    const quoted = (): (Node | string)[] => ['Reply to ', named(message.from ?? 'a service'), ': ', named(message.text.slice(0, 200))]
    const about = does === 'edit' ? ['Editing your message'] : quoted()
    this.#with.replaceChildren(sign(does), make('span', { class: 'what' }, ...about), cancel)
    this.#with.hidden = false
    this.#show()
    this.focus()
  }

  #cancel(): void {
    const edited = this.#goes?.does === 'edit'
    this.#goes = undefined
    this.#with.hidden = true
    if (edited) this.#fill(draft(this.#user, this.#place))
    this.#show()
    this.focus()
  }

  #fill(text: string): void {
    this.#text.value = text
    this.#text.setSelectionRange(text.length, text.length)
    this.#show()
  }

  #submit(): void {
    const { text, entities } = read(this.#text.value)
    const goes = this.#goes
    if (text === '' || text.length > LENGTH) return
    if (goes?.does !== 'edit' && this.#events.wait() > 0) return
    this.#goes = undefined
    this.#with.hidden = true
    if (goes?.does === 'edit') {
      this.#fill(draft(this.#user, this.#place))
      this.#events.edit(goes.message, text, entities)
    } else {
      rememberDraft(this.#user, this.#place, '')
      this.#fill('')
      this.#events.send(text, entities, goes?.message.id)
    }
    this.#show()
    this.focus()
  }

  #typed(): void {
    if (this.#goes?.does !== 'edit') {
      rememberDraft(this.#user, this.#place, this.#text.value)
      if (this.#text.value.trim() !== '') this.#events.typing()
    }
    this.#show()
  }

  #key(event: KeyboardEvent): void {
    if (event.isComposing || this.#completion.key(event)) return
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      this.element.requestSubmit()
    } else if (event.key === 'Escape' && this.#goes !== undefined) {
      event.stopPropagation()
      this.#cancel()
    } else if (event.key === 'ArrowUp' && this.#text.value === '' && this.#goes === undefined) {
      const last = this.#events.lastOwn()
      if (last === undefined) return
      event.preventDefault()
      this.edit(last)
    } else if ((event.ctrlKey || event.metaKey) && !event.altKey && ['b', 'i'].includes(event.key)) {
      event.preventDefault()
      this.#wrap(event.key === 'b' ? '**' : '_')
    }
  }

  /** Puts signs around what is selected. */
  #wrap(around: string): void {
    const { selectionStart: from, selectionEnd: to, value } = this.#text
    this.#text.setRangeText(`${around}${value.slice(from, to)}${around}`, from, to, 'select')
    this.#text.setSelectionRange(from + around.length, to + around.length)
    this.#typed()
  }

  #show(): void {
    const { length } = this.#text.value
    if (!GROWS) {
      this.#text.style.height = 'auto'
      this.#text.style.height = `${this.#text.scrollHeight}px`
    }
    this.#counts.hidden = length < TELL_FROM
    this.#counts.textContent = `${LENGTH - length} left`
    this.#counts.toggleAttribute('data-over', length > LENGTH)
    const wait = this.#goes?.does === 'edit' ? 0 : this.#events.wait()
    this.#send.disabled = wait > 0 || length > LENGTH
    this.#send.toggleAttribute('data-empty', this.#text.value.trim() === '')
    this.#send.classList.toggle('waits', wait > 0)
    if (wait > 0) {
      this.#send.textContent = seconds(wait)
      this.#send.setAttribute('aria-label', `Slow mode: ${seconds(wait)}`)
    } else if (this.#send.childElementCount === 0) {
      this.#send.replaceChildren(sign('send'))
      this.#send.setAttribute('aria-label', 'Send')
    }
    this.#later.refresh(this.written !== undefined)
    this.#count(wait)
  }

  /** Looks again each second while one waits. */
  #count(wait: number): void {
    if (wait > 0) this.#countdown ??= setInterval(() => this.#show(), 1_000)
    else {
      clearInterval(this.#countdown)
      this.#countdown = undefined
    }
  }
}
