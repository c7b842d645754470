// The few buttons at the message that the pointer or the focus is on. There is one set of them, and it moves.

import type { ShownMessage } from '@hubbub/client'
import { make } from '../../dom.js'
import { iconButton, type SignName } from '../sign.js'
import { stateOf } from './message.js'

export type Tool = 'react' | 'reply' | 'thread' | 'more'

const TOOLS: Record<Tool, [SignName, string]> = {
  react: ['smile', 'React'], reply: ['reply', 'Reply'], thread: ['thread', 'Reply in thread'], more: ['more', 'More'],
}

export class Tools {
  readonly #element: HTMLElement
  readonly #message: (id: string) => ShownMessage | undefined
  #host: string | undefined

  /** `used` is told which tool, at which message, and its button. */
  constructor(feed: HTMLElement, which: readonly Tool[], message: (id: string) => ShownMessage | undefined,
    used: (tool: Tool, message: ShownMessage, button: HTMLElement) => void) {
    this.#message = message
    const buttons = which.map((tool) => {
      const button = iconButton(...TOOLS[tool], `tool-${tool}`)
      button.onclick = () => {
        const host = this.#host === undefined ? undefined : message(this.#host)
        if (host !== undefined) used(tool, host, button)
      }
      return button
    })
    this.#element = make('div', { class: 'tools', testid: 'tools', label: 'What to do with this message', is: { role: 'group' } }, ...buttons)
    feed.addEventListener('pointerover', (event) => {
      if (event.pointerType === 'mouse') this.#at(event.target)
    })
    feed.addEventListener('focusin', (event) => this.#focused(event.target as Element))
    feed.addEventListener('focusout', (event) => reach((event.target as Element).closest('article'), -1))
    feed.addEventListener('pointerleave', () => {
      if (!feed.contains(document.activeElement) || document.activeElement === feed) this.#hide()
    })
  }

  /** A message was made anew: its tools come along. */
  keep(id: string, element: HTMLElement): void {
    if (this.#host === id && this.#fits(id)) element.querySelector('.line')?.append(this.#element)
  }

  #focused(target: Element): void {
    this.#at(target)
    reach(target.closest('article'), 0)
  }

  #at(target: EventTarget | null): void {
    const article = (target as Element | null)?.closest<HTMLElement>('article')
    const id = article?.dataset.id
    if (article === null || article === undefined || id === undefined || this.#element.parentElement?.parentElement === article) return
    this.#host = id
    if (this.#fits(id)) article.querySelector('.line')?.append(this.#element)
    else this.#hide()
    // Under the pointer alone they are no stops of the Tab key.
    reach(article, article.contains(document.activeElement) ? 0 : -1)
  }

  #fits(id: string): boolean {
    const message = this.#message(id)
    return message !== undefined && stateOf(message) === 'sent' && !message.deleted
  }

  #hide(): void {
    this.#element.remove()
    this.#host = undefined
  }
}

/** A message and what is in it can be reached by the Tab key while the focus is in it. */
function reach(article: HTMLElement | null, tabIndex: number): void {
  if (article === null) return
  for (const control of [article, ...article.querySelectorAll<HTMLElement>('a, button')]) control.tabIndex = tabIndex
}
