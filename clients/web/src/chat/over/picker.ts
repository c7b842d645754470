// Picks an emoji for a reaction: one of a few, or whatever one types.

import { make } from '../../dom.js'
import { float } from './float.js'

const FEW: readonly (readonly [string, string])[] = [
  ['👍', 'thumbs up'], ['❤️', 'heart'], ['😂', 'tears of joy'], ['🎉', 'party'], ['😮', 'surprised'], ['😢', 'sad'],
  ['🙏', 'thanks'], ['👀', 'eyes'], ['🚀', 'rocket'], ['✅', 'done'], ['👎', 'thumbs down'], ['🔥', 'fire'],
]
/** As the contract says. */
const EMOJI_BYTES = 64

export function openPicker(anchor: HTMLElement, picked: (emoji: string) => void): void {
  const choose = (emoji: string): void => {
    close()
    picked(emoji)
  }
  const grid = make('div', { class: 'grid' }, ...FEW.map(([emoji, name]) =>
    make('button', { text: emoji, label: name, testid: 'emoji', data: { emoji }, is: { type: 'button' }, click: () => choose(emoji) })))
  const free = { placeholder: 'Another…', autocomplete: 'off', maxlength: '32' }
  const input = make('input', { testid: 'emoji-input', label: 'Another reaction', is: free })
  const form = make('form', {}, input, make('button', { text: 'React', class: 'primary', testid: 'emoji-button' }))
  form.onsubmit = (event) => {
    event.preventDefault()
    const emoji = input.value.trim()
    if (emoji !== '' && new TextEncoder().encode(emoji).length <= EMOJI_BYTES) choose(emoji)
  }
  const picker = make('div', { class: 'picker', testid: 'picker', label: 'Reactions', is: { role: 'dialog' } }, grid, form)
  picker.addEventListener('keydown', (event) => step(event, [...grid.children] as HTMLElement[]))
  const close = float(picker, anchor)
  ;(grid.firstElementChild as HTMLElement).focus()
}

const COLUMNS = 6

function step(event: KeyboardEvent, cells: HTMLElement[]): void {
  const at = cells.indexOf(document.activeElement as HTMLElement)
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key]
  if (at < 0 || by === undefined || cells[at + by] === undefined) return
  event.preventDefault()
  cells[at + by]?.focus()
}
