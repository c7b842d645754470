// What somebody wrote, as elements. Everything is text; what is marked becomes an element of the kind of its mark.

import type { Entity } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { type Run, runsOf } from '../words/runs.js'

const ELEMENTS = { bold: 'strong', italic: 'em', strike: 's', code: 'code', pre: 'pre', quote: 'blockquote' } as const

/** The text of a message; mentions of `user` stand out. */
export function said(text: string, entities: readonly Entity[], user: string): HTMLElement {
  return make('div', { class: 'said', testid: 'message-text', is: { dir: 'auto' } }, ...nodes(runsOf(text, entities), user))
}

function nodes(runs: Run[], user: string): Node[] {
  return runs.map((run) => {
    if ('text' in run) return document.createTextNode(run.text)
    const element = marked(run.mark, user)
    element.append(...nodes(run.runs, user))
    return element
  })
}

function marked(mark: Entity, user: string): HTMLElement {
  switch (mark.kind) {
    case 'link':
      return make('a', { is: { href: mark.url, rel: 'noopener noreferrer nofollow', target: '_blank' } })
    case 'mention':
      return named('', { class: mark.user === user ? 'mention to-me' : 'mention', data: { user: mark.user } })
    case 'mention_all':
      return named('', { class: 'mention to-me' })
    case 'mention_role':
      return named('', { class: 'mention' })
    default:
      return make(ELEMENTS[mark.kind])
  }
}

/** Whether a message speaks to somebody by name or to all. */
export const speaksTo = (entities: readonly Entity[], user: string): boolean =>
  entities.some((entity) => entity.kind === 'mention_all' || (entity.kind === 'mention' && entity.user === user))
