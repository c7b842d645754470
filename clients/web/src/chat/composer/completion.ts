// The list of names that opens while one types an `@`. The focus stays in the text; arrows move, Enter or Tab takes.

import { make, named } from '../../dom.js'
import { face } from '../face.js'
import { type Asked, asked, type Candidate, candidates, complete } from '../words/mention.js'

let count = 0

export class Completion {
  readonly element: HTMLElement
  readonly #text: HTMLTextAreaElement
  readonly #names: () => readonly Candidate[]
  #asked: Asked | undefined
  #found: Candidate[] = []
  #at = 0

  constructor(text: HTMLTextAreaElement, names: () => readonly Candidate[]) {
    this.#text = text
    this.#names = names
    const id = `mentions-${++count}`
    this.element = make('ul', { class: 'completion', testid: 'mentions', label: 'People to mention', is: { role: 'listbox', id } })
    this.element.hidden = true
    for (const [name, value] of [['aria-autocomplete', 'list'], ['aria-haspopup', 'listbox'], ['aria-controls', this.element.id]] as const) {
      text.setAttribute(name, value)
    }
    text.addEventListener('input', () => this.#look())
    text.addEventListener('click', () => this.#look())
    text.addEventListener('blur', () => this.close())
  }

  get open(): boolean {
    return !this.element.hidden
  }

  /** Whether the key was for the list. */
  key(event: KeyboardEvent): boolean {
    if (!this.open) return false
    const length = this.#found.length
    const next = { ArrowDown: (this.#at + 1) % length, ArrowUp: (this.#at - 1 + length) % length }[event.key]
    if (next !== undefined) this.#draw(next)
    else if (event.key === 'Escape') this.close()
    else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') this.#take(this.#found[this.#at])
    else return false
    event.preventDefault()
    event.stopPropagation()
    return true
  }

  close(): void {
    this.element.hidden = true
    this.#text.removeAttribute('aria-activedescendant')
  }

  #look(): void {
    this.#asked = asked(this.#text.value, this.#text.selectionStart)
    this.#found = this.#asked === undefined ? [] : candidates(this.#names(), this.#asked.typed)
    if (this.#found.length === 0) this.close()
    else this.#draw(0)
  }

  #draw(at: number): void {
    this.#at = at
    const { id } = this.element
    this.element.replaceChildren(...this.#found.map((candidate, index) => {
      const { name, note } = candidate
      const is = { role: 'option', id: `${id}-${index}`, 'aria-selected': String(index === at) }
      const line = make('li', { testid: 'mention-option', data: { name }, is },
        face(name, 'small'), named(name), ...(note === undefined ? [] : [make('span', { class: 'note', text: note })]))
      line.addEventListener('mousedown', (event) => {
        event.preventDefault()
        this.#take(candidate)
      })
      return line
    }))
    this.element.hidden = false
    this.#text.setAttribute('aria-activedescendant', `${id}-${at}`)
    this.element.children[at]?.scrollIntoView({ block: 'nearest' })
  }

  #take(candidate: Candidate | undefined): void {
    if (candidate === undefined || this.#asked === undefined) return
    const { text, caret } = complete(this.#text.value, this.#asked, candidate.name)
    this.#text.value = text
    this.#text.setSelectionRange(caret, caret)
    this.close()
    // What listens to typing hears of it; the caret is behind the name, so nothing opens again.
    this.#text.dispatchEvent(new Event('input', { bubbles: true }))
  }
}
