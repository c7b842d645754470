// Who is it: asks for a name, and gets a token for it.

import { byId } from '../dom.js'
import { lastName, rememberName } from './memory.js'

/** As in the protocol: printable ASCII without what means something elsewhere. */
const NAME = /^[^\s"'`\\*?#%&{}<>,\u0000-\u0020\u007f-\uffff]{1,128}$/
export const NAME_RULE = 'A name is letters, digits and simple signs, without spaces.'

export const isUser = (name: string): boolean => NAME.test(name)

/** Tokens come from a hub in development mode; a real application asks its own backend here. */
export async function developmentToken(user: string): Promise<string> {
  const response = await fetch(`/dev/token?sub=${encodeURIComponent(user)}`)
  if (response.status === 404) throw new Error('this page needs a hub in development mode (hubbub serve --dev)')
  if (!response.ok) throw new Error(`no token: status ${response.status}`)
  return ((await response.json()) as { token: string }).token
}

/** Shows the form; `enter` is called once, with a name that can be. */
export function askWho(suggested: string | null, enter: (user: string) => void): void {
  const name = byId<HTMLInputElement>('name')
  const problem = byId('join-problem')
  name.value = suggested ?? lastName()
  byId('join').hidden = false
  name.focus()
  byId<HTMLFormElement>('join-form').onsubmit = (event) => {
    event.preventDefault()
    const user = name.value.trim()
    if (isUser(user)) {
      rememberName(user)
      byId('join').hidden = true
      return enter(user)
    }
    problem.textContent = NAME_RULE
    problem.hidden = false
    name.setAttribute('aria-invalid', 'true')
    name.focus()
  }
}
