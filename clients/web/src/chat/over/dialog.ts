// Dialogs: a question with fields, an answer that may fail, and the focus back where it was. The element does the rest.

import { make } from '../../dom.js'

export interface Question {
  title: string
  id: string
  body: (Node | string)[]
  /** What the button says; without one there is only something to see. */
  confirm?: string
  grave?: boolean
  /** Closes the dialog when it is through; what it throws is said in it. */
  submit?(): Promise<unknown> | unknown
}

let count = 0

/** Opens a dialog; answers how to close it. */
export function ask({ title, id, body, confirm, grave = false, submit }: Question): () => void {
  const name = `dialog-${++count}`
  const dialog = make('dialog', { testid: `dialog-${id}`, is: { 'aria-labelledby': name } })
  const problem = make('p', { class: 'problem', testid: 'dialog-problem', is: { role: 'alert' } })
  problem.hidden = true
  const leave = confirm === undefined ? 'Close' : 'Cancel'
  const cancel = make('button', { text: leave, testid: 'dialog-cancel', is: { type: 'button' }, click: () => dialog.close() })
  const actions = make('div', { class: 'actions' }, cancel)
  if (confirm !== undefined) actions.append(make('button', { text: confirm, class: grave ? 'grave' : 'primary', testid: 'dialog-confirm' }))
  const form = make('form', {}, make('h2', { text: title, is: { id: name } }), ...body, problem, actions)
  form.onsubmit = (event) => {
    event.preventDefault()
    void run()
  }
  const run = async (): Promise<void> => {
    problem.hidden = true
    try {
      await submit?.()
      dialog.close()
    } catch (error) {
      problem.textContent = (error as Error).message
      problem.hidden = false
    }
  }
  dialog.append(form)
  return show(dialog)
}

/** Shows a dialog until it is closed. A click beside it closes it. */
export function show(dialog: HTMLDialogElement): () => void {
  document.body.append(dialog)
  dialog.addEventListener('close', () => dialog.remove())
  dialog.addEventListener('mousedown', (event) => {
    if (event.target === dialog) dialog.close()
  })
  dialog.showModal()
  return () => dialog.close()
}

/** For fields of names: they are no words of a language. */
export const AS_TYPED = { autocapitalize: 'off', autocomplete: 'off', spellcheck: 'false' } as const

let fields = 0

/** A control with its label, and what is good to know about it. */
export function field(label: string, control: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement, hint?: string): DocumentFragment {
  control.id = `field-${++fields}`
  const fragment = document.createDocumentFragment()
  const words = make('label', { text: `${label} `, is: { for: control.id } })
  if (hint !== undefined) words.append(make('small', { text: hint }))
  fragment.append(words, control)
  return fragment
}

export interface Option<T extends string> {
  value: T
  text: string
  hint?: string
}

/** One of several, as radio buttons. Answers the element and what is chosen. */
export function choice<T extends string>(legend: string, options: readonly Option<T>[], chosen: T): { element: HTMLElement; value(): T } {
  const name = `choice-${++fields}`
  const element = make('fieldset', {}, make('legend', { text: legend }))
  for (const { value, text, hint } of options) {
    const radio = make('input', { testid: `choice-${value}`, is: { type: 'radio', name, value } })
    radio.checked = value === chosen
    const words = make('span', { text })
    if (hint !== undefined) words.append(make('small', { text: hint }))
    element.append(make('label', { class: 'choice' }, radio, words))
  }
  return { element, value: () => (element.querySelector<HTMLInputElement>(':checked')?.value ?? chosen) as T }
}

/** Asks before what can not be taken back. */
export function confirm(title: string, text: string, yes: string, run: () => Promise<unknown>): void {
  ask({ title, id: 'sure', body: [make('p', { text })], confirm: yes, grave: true, submit: run })
}
