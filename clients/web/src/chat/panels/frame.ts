// The place beside the talk: one panel at a time. On small screens it lies over the talk, as the side does, and what is
// behind can not be reached until it is closed.

import { byId } from '../../dom.js'
import type { Panel } from '../app.js'
import { sign } from '../sign.js'

export class Frame {
  readonly #app = byId('app')
  readonly #panel = byId('panel')
  readonly #changed: () => void
  #shown: Panel | undefined
  /** What had the focus before. */
  #back: HTMLElement | null = null

  constructor(changed: () => void) {
    this.#changed = changed
    byId('panel-close').replaceChildren(sign('close'))
    byId('panel-close').onclick = () => this.show(null)
    byId('veil').onclick = () => (this.#app.dataset.side === undefined ? this.show(null) : this.side(false))
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open], :popover-open') !== null) return
      if (this.#app.dataset.side !== undefined) this.side(false)
      else if (this.#shown !== undefined) this.show(null)
    })
    window.addEventListener('resize', () => {
      // On a wider screen nothing lies over anything.
      if (this.#app.dataset.side !== undefined && !isSmall()) this.side(false)
      this.#lock()
    })
  }

  get shown(): Panel['id'] | undefined {
    return this.#shown?.id
  }

  show(panel: Panel | null, focus = true): void {
    const before = this.#shown
    before?.close?.()
    if (before === undefined) this.#back = document.activeElement as HTMLElement | null
    const within = this.#panel.contains(document.activeElement)
    this.#shown = panel ?? undefined
    this.#panel.hidden = panel === null
    if (panel === null) {
      delete this.#app.dataset.panel
      byId('panel-body').replaceChildren()
      this.#lock()
      if (within || document.activeElement === document.body) this.#back?.focus()
    } else {
      if (this.#app.dataset.side !== undefined) this.side(false)
      this.#app.dataset.panel = panel.id
      byId('panel-title').textContent = panel.title
      byId('panel-body').replaceChildren(panel.body)
      this.#lock()
      if (focus) (panel.focus ?? this.#panel).focus()
    }
    this.#changed()
  }

  /** Opens or closes the drawer of rooms on a small screen. */
  side(open: boolean): void {
    if (open === (this.#app.dataset.side !== undefined)) return
    if (open) this.#app.dataset.side = 'open'
    else delete this.#app.dataset.side
    document.getElementById('side-button')?.setAttribute('aria-expanded', String(open))
    this.#lock()
    if (open) byId('side').focus()
    else document.getElementById('side-button')?.focus()
  }

  #lock(): void {
    const side = this.#app.dataset.side !== undefined
    const panel = this.#shown !== undefined && covers()
    byId('talk').inert = side || panel
    byId('side').inert = panel
    this.#panel.inert = side
  }
}

const isSmall = (): boolean => matchMedia('(max-width: 720px)').matches

/** Whether the panel lies over the talk. */
export const covers = (): boolean => matchMedia('(max-width: 1080px)').matches
