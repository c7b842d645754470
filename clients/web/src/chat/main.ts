// The chat page: who are you, which channel, and the one Hub behind it. Begins here.

import { Hub } from '@hubbub/client'
import { byId, make } from '../dom.js'
import { pill } from '../pill.js'
import { dress } from './face.js'
import { channels, lastName, rememberChannel, rememberName, tabName } from './memory.js'
import { Room } from './room.js'

/** As in the protocol: printable ASCII without what means something elsewhere. */
const NAME = /^[^\s"'`\\*?#%&{}<>,\u0000-\u0020\u007f-\uffff]{1,128}$/
const CHANNEL = /^[a-z][a-z0-9_-]{0,31}:[^\s"'`\\*?#%&{}<>,\u0000-\u0020\u007f-\uffff]+$/

const asked = new URLSearchParams(location.search)
const room = byId('room')

/** Tokens come from a hub in development mode; a real application asks its own backend here. */
async function developmentToken(user: string): Promise<string> {
  const response = await fetch(`/dev/token?sub=${encodeURIComponent(user)}`)
  if (response.status === 404) throw new Error('this page needs a hub in development mode (hubbub serve --dev)')
  if (!response.ok) throw new Error(`no token: status ${response.status}`)
  return ((await response.json()) as { token: string }).token
}

function askWho(): void {
  const form = byId<HTMLFormElement>('join-form')
  const name = byId<HTMLInputElement>('name')
  const channel = byId<HTMLInputElement>('first-channel')
  const problem = byId('join-problem')
  name.value = asked.get('name') ?? lastName()
  channel.value = asked.get('channel') ?? 'chat:lobby'
  byId('join').hidden = false
  name.focus()
  form.onsubmit = (event) => {
    event.preventDefault()
    const [user, first] = [name.value.trim(), channel.value.trim()]
    if (!NAME.test(user)) return complain(name, 'A name is letters, digits and simple signs, without spaces.')
    if (!CHANNEL.test(first)) return complain(channel, 'A channel is namespace:name, for example chat:lobby.')
    rememberName(user)
    enter(user, first)
  }
  const complain = (input: HTMLInputElement, text: string): void => {
    problem.textContent = text
    problem.hidden = false
    for (const one of [name, channel]) one.setAttribute('aria-invalid', String(one === input))
    input.focus()
  }
}

function enter(user: string, first: string): void {
  byId('join').hidden = true
  room.hidden = false
  byId('my-name').textContent = user
  dress(byId('my-face'), user)

  const show = pill(byId('connection'))
  const hub = new Hub({ url: '/', token: () => developmentToken(user), client: 'hubbub-web/0.1' })
  let before = false
  hub.on('state', ({ state, error }) => {
    show({ state, error, before })
    before ||= state === 'connected'
    if (state === 'connected') say(null)
    if (state === 'closed' && error !== null) say(error.message)
  })
  hub.on('error', (error) => say(error.message))

  let open: Room | undefined
  const go = (channel: string): void => {
    open?.leave()
    rememberChannel(channel)
    history.replaceState(null, '', `?channel=${encodeURIComponent(channel)}`)
    byId('channel-name').textContent = channel
    document.title = `${channel} · Hubbub`
    drawChannels(channel, go)
    drawer(null)
    say(null)
    open = new Room(hub, user, channel, say)
    // Where there is no keyboard but the one on the screen, it must not cover the messages before it is asked for.
    byId(matchMedia('(pointer: fine)').matches ? 'text' : 'scroll').focus()
  }
  go(first)
  wireComposer((text) => open?.send(text))
  wireChannelForm(go)
  wireDrawers()
  byId('earlier').onclick = () => void open?.earlier()
  byId('leave').onclick = () => {
    hub.close()
    rememberName(null)
    location.assign(location.pathname)
  }
}

/** Tells what went wrong; null takes it back. */
function say(problem: string | null): void {
  const banner = byId('problem')
  banner.hidden = problem === null
  banner.textContent = problem ?? ''
}

function drawChannels(current: string, go: (channel: string) => void): void {
  byId('channel-list').replaceChildren(...channels().map((channel) => {
    const button = make('button', { text: channel, testid: 'channel', data: { channel } })
    if (channel === current) button.setAttribute('aria-current', 'page')
    button.onclick = () => go(channel)
    return make('li', {}, button)
  }))
}

function wireComposer(send: (text: string) => void): void {
  const text = byId<HTMLTextAreaElement>('text')
  const form = byId<HTMLFormElement>('composer')
  form.onsubmit = (event) => {
    event.preventDefault()
    const said = text.value.trim()
    if (said === '') return
    text.value = ''
    send(said)
    text.focus()
  }
  text.onkeydown = (event) => {
    // Enter sends, except where it ends the writing of a composed character.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    form.requestSubmit()
  }
}

function wireChannelForm(go: (channel: string) => void): void {
  const input = byId<HTMLInputElement>('channel-input')
  byId<HTMLFormElement>('channel-form').onsubmit = (event) => {
    event.preventDefault()
    const channel = input.value.trim()
    if (!CHANNEL.test(channel)) {
      input.setCustomValidity('A channel is namespace:name, for example chat:lobby.')
      input.reportValidity()
      return
    }
    input.value = ''
    go(channel)
  }
  input.oninput = () => input.setCustomValidity('')
}

type Drawer = 'channels' | 'people'

/**
 * On small screens channels and people are drawers over the messages. The focus goes into an open one, and what is
 * behind it can not be reached until it is closed.
 */
function drawer(name: Drawer | null): void {
  const before = room.dataset.open as Drawer | undefined
  if (name === null) delete room.dataset.open
  else room.dataset.open = name
  byId('talk').inert = name !== null
  for (const one of ['channels', 'people']) byId(`show-${one}`).setAttribute('aria-expanded', String(name === one))
  if (name !== null) byId(name).focus()
  else if (before !== undefined) byId(`show-${before}`).focus()
}

function wireDrawers(): void {
  byId('show-channels').onclick = () => drawer('channels')
  byId('show-people').onclick = () => drawer('people')
  byId('veil').onclick = () => drawer(null)
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') drawer(null)
  })
  // On a wider screen there are no drawers that could be open; each of them ends at its own width.
  window.addEventListener('resize', () => {
    const open = room.dataset.open as Drawer | undefined
    if (open !== undefined && getComputedStyle(byId(`show-${open}`)).display === 'none') drawer(null)
  })
}

const known = asked.get('name') === null ? tabName() : null
if (known !== null && NAME.test(known)) enter(known, asked.get('channel') ?? 'chat:lobby')
else askWho()
