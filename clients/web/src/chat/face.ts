// A person as a coloured letter.

import { make } from '../dom.js'

/** Dresses an element as the face of a user: always the same colour for the same name. */
export function dress(element: HTMLElement, user: string): void {
  let hue = 7
  for (const char of user) hue = (hue * 31 + (char.codePointAt(0) ?? 0)) % 360
  element.style.setProperty('--hue', String(hue))
  element.textContent = [...user][0] ?? '?'
}

export function face(user: string, size: 'tiny' | 'small' | '' = ''): HTMLElement {
  const element = make('span', { class: `face ${size}`, is: { 'aria-hidden': 'true' } })
  dress(element, user)
  return element
}
