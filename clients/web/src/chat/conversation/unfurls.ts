// What services found behind the links of a message: as text, with the link. Nothing is loaded from elsewhere: a picture
// is a link of its own, for whoever wants to see it.

import type { Unfurl } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { safeUrl } from '../words/runs.js'

const AWAY = { rel: 'noopener noreferrer nofollow', target: '_blank' } as const

/** One card for each link that may be followed. */
export function unfurlElements(unfurls: readonly Unfurl[]): HTMLElement[] {
  return unfurls.filter(({ url }) => safeUrl(url)).map(card)
}

function card({ url, title = '', description = '', image }: Unfurl): HTMLElement {
  const link = make('a', { class: 'unfurl-link', testid: 'unfurl-link', is: { href: url, title: url, ...AWAY } },
    named(placeOf(url), { class: 'unfurl-place' }), ...(title === '' ? [] : [named(title, { class: 'unfurl-title' })]))
  const element = make('div', { class: 'unfurl', testid: 'unfurl', data: { url } }, link)
  if (description !== '') element.append(named(description, { class: 'unfurl-about' }))
  if (typeof image === 'string' && safeUrl(image) && image.startsWith('https:')) {
    const label = `Picture from ${placeOf(image)}`
    element.append(make('a', { class: 'unfurl-picture', text: label, testid: 'unfurl-picture', is: { href: image, ...AWAY } }))
  }
  return element
}

/** Where a link leads, in short: what people look at before they follow it. */
function placeOf(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return protocol === 'mailto:' ? pathname : host
}
