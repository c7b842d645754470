// A menu of things to do: arrows move, Enter does, Escape closes.

import { make } from '../../dom.js'
import { type SignName, sign } from '../sign.js'
import { float } from './float.js'

export interface Choice {
  text: string
  sign: SignName
  /** For tests and for nothing else. */
  id: string
  /** What can not be taken back. */
  grave?: boolean
  /** Begins a group. */
  apart?: boolean
  do(): void
}

export function openMenu(label: string, choices: readonly Choice[], anchor: HTMLElement): void {
  const menu = make('div', { class: 'menu', testid: 'menu', label, is: { role: 'menu' } })
  for (const { text, sign: name, id, grave, apart, do: run } of choices) {
    if (apart && menu.childElementCount > 0) menu.append(make('hr'))
    const item = make('button', { class: grave ? 'grave' : '', testid: `menu-${id}`, is: { role: 'menuitem', tabindex: '-1' } }, sign(name), text)
    item.onclick = () => {
      close()
      run()
    }
    menu.append(item)
  }
  menu.addEventListener('keydown', move)
  const close = float(menu, anchor)
  menu.querySelector('button')?.focus()
}

function move(event: KeyboardEvent): void {
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll('button')]
  const at = items.indexOf(document.activeElement as HTMLButtonElement)
  const next = { ArrowDown: (at + 1) % items.length, ArrowUp: (at - 1 + items.length) % items.length, Home: 0, End: items.length - 1 }[event.key]
  if (event.key === 'Tab') event.preventDefault()
  if (next === undefined) return
  event.preventDefault()
  items[next]?.focus()
}
