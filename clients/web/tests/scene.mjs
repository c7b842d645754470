// What the tests of the chat share: acting as somebody without a page, and what one does and sees on a page.

import { visitor } from './browser.mjs'

/** An operation of rooms over the internal port, as a user, or (null) as the service. */
export async function act(hub, as, op, fields = {}) {
  const response = await fetch(`${hub.internal}/v1/rooms/${op}`, {
    method: 'POST',
    headers: { Authorization: 'Bearer dev-key', 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...fields, ...(as !== null && { as }) }),
  })
  if (!response.ok) throw new Error(`${op} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

/** A public room with an owner and members, all joined. */
export async function roomOf(hub, name, owner, members = [], fields = {}) {
  const channel = `room:${name}`
  await act(hub, owner, 'create', { channel, kind: 'public', name, ...fields })
  if (members.length > 0) await act(hub, owner, 'add', { channel, users: members })
  return channel
}

/** Somebody with a page of their own, in a room. */
export async function person(browser, hub, name, channel, options = {}) {
  const who = await visitor(browser, options)
  await enter(who.page, hub, name, channel)
  return { ...who, name, close: () => who.context.close() }
}

export async function enter(page, hub, name, channel) {
  await page.goto(`${hub.url}/?name=${name}${channel === undefined ? '' : `&channel=${channel}`}`)
  await page.getByTestId('join-button').click()
  await standing(page, 'connected')
  await page.locator('[data-testid=room-list] [data-channel]').first().waitFor({ state: 'attached' })
}

export const standing = (page, state) => page.locator(`[data-testid=connection-state][data-state=${state}]`).waitFor({ state: 'attached' })

/** The talk of the open room; the panel of a thread has a list and a composer of its own. */
export const talk = (page) => page.getByTestId('room')

export async function say(page, text, where = talk(page)) {
  await where.getByTestId('composer-input').fill(text)
  await where.getByTestId('composer-input').press('Enter')
}

/** The message with this text, in this state. */
export const message = (where, text, state = 'sent') =>
  where.locator(`[data-testid=message][data-state=${state}]`, { has: where.page().getByTestId('message-text').getByText(text, { exact: true }) })

export const shows = (page, text, state = 'sent') => message(talk(page), text, state).first().waitFor()

export const texts = (page) => talk(page).getByTestId('message-text').allTextContents()

/** One entry of a message's menu. */
export async function choose(page, text, entry, where = talk(page)) {
  const line = message(where, text).first()
  await line.hover()
  await line.getByTestId('tool-more').click()
  await page.getByTestId(`menu-${entry}`).click()
}

export async function tool(page, text, name, where = talk(page)) {
  const line = message(where, text).first()
  await line.hover()
  await line.getByTestId(`tool-${name}`).click()
}

export const room = (page, channel) => page.locator(`[data-testid=room-entry][data-channel="${channel}"]`)

/** What can be done about somebody, in the panel of people. */
export async function about(page, user, entry) {
  if (!(await page.getByTestId('people').isVisible())) await page.getByTestId('people-button').click()
  await page.locator(`[data-testid=person][data-user=${user}]`).getByTestId('person-menu').click()
  await page.getByTestId(`menu-${entry}`).click()
}

/** Chromium's own "offline" leaves open WebSockets alone, so this breaks them and refuses new ones. */
export async function throughTunnel(page) {
  let inside = false
  const open = new Set()
  await page.routeWebSocket(/\/ws/, (socket) => {
    if (inside) return socket.close({ code: 3000 })
    socket.connectToServer()
    open.add(socket)
  })
  return {
    enter: async () => {
      inside = true
      await Promise.all([...open].map((socket) => socket.close({ code: 3000 })))
    },
    leave: () => (inside = false),
  }
}
