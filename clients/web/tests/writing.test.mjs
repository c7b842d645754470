// Goal: what one writes gets where it should, when it should and once; what comes to a message later is seen. Method:
// pages of a real hub whose sockets are cut, and whose answers are held back.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture, visitor } from './browser.mjs'
import { act, enter, message, person, room, roomOf, say, shows, standing, talk, texts, throughTunnel, tool } from './scene.mjs'

let hub
let browser

before(async () => {
  hub = await TestHub.start()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await hub?.stop()
})

const byId = (page, id) => page.getByTestId(id)

const reload = async (page) => {
  await page.reload()
  await byId(page, 'app').waitFor()
}

test('what was not sent is there after a reload, and is sent once, in its order', async () => {
  const [one, two] = [await roomOf(hub, 'unsent', 'ada', ['bo']), await roomOf(hub, 'unsent-too', 'ada', ['bo'])]
  const root = await act(hub, 'bo', 'send', { channel: one, text: 'root' })
  const ada = await visitor(browser)
  const tunnel = await throughTunnel(ada.page)
  await enter(ada.page, hub, 'ada', two)
  await tunnel.enter()
  await standing(ada.page, 'reconnecting')
  await say(ada.page, 'in the other room')
  await shows(ada.page, 'in the other room', 'sending')
  await room(ada.page, one).click()
  await byId(ada.page, 'room-name').getByText('unsent', { exact: true }).waitFor()
  await say(ada.page, 'first, **bold**')
  await say(ada.page, 'second')
  await shows(ada.page, 'second', 'sending')
  await reload(ada.page)
  for (const text of ['first, bold', 'second']) await shows(ada.page, text, 'sending')
  assert.deepEqual((await act(hub, 'bo', 'messages', { channel: one })).messages.map(({ text }) => text), ['root'])
  tunnel.leave()

  await shows(ada.page, 'second')
  const said = async (channel) => (await act(hub, 'bo', 'messages', { channel })).messages.map(({ text }) => text)
  assert.deepEqual(await said(one), ['root', 'first, bold', 'second'])
  assert.deepEqual(await texts(ada.page), ['root', 'first, bold', 'second'])
  assert.equal(await talk(ada.page).locator('strong', { hasText: 'bold' }).count(), 1)
  await room(ada.page, two).click()
  await shows(ada.page, 'in the other room')
  await ada.page.waitForFunction(() => localStorage.getItem('hubbub.unsent.ada') === null)
  await reload(ada.page)
  await shows(ada.page, 'in the other room')
  assert.deepEqual([await said(one), await said(two)], [['root', 'first, bold', 'second'], ['in the other room']])
  assert.ok(root.message)
  assert.deepEqual(ada.faults, [])
  await ada.context.close()
})

/** The hub gets everything and nothing that it says comes back, from the moment of `shut` on. */
async function deaf(page) {
  let shut = false
  await page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((frame) => {
      if (!shut) socket.send(frame)
    })
  })
  return { shut: () => (shut = true), open: () => (shut = false) }
}

test('a message whose answer was lost is no second one after a reload, nor in its thread', async () => {
  const channel = await roomOf(hub, 'once', 'ada', ['bo'])
  const root = await act(hub, 'bo', 'send', { channel, text: 'root' })
  const ada = await visitor(browser)
  const answers = await deaf(ada.page)
  await enter(ada.page, hub, 'ada', channel)
  await tool(ada.page, 'root', 'thread')
  await byId(ada.page, 'thread').getByTestId('composer-input').waitFor()
  answers.shut()
  await say(ada.page, 'only once')
  await say(ada.page, 'below it', byId(ada.page, 'thread'))
  await shows(ada.page, 'only once', 'sending')
  const said = async (thread) => (await act(hub, 'bo', 'messages', { channel, ...(thread && { thread }) })).messages.map(({ text }) => text)
  for (const deadline = Date.now() + 20_000; Date.now() < deadline && (await said(root.message)).length === 0; );
  answers.open()
  await reload(ada.page)
  await shows(ada.page, 'only once')
  await ada.page.waitForFunction(() => localStorage.getItem('hubbub.unsent.ada') === null)
  assert.deepEqual(await said(), ['root', 'only once'])
  assert.deepEqual(await said(root.message), ['below it'])
  assert.deepEqual(ada.faults, [])
  await ada.context.close()
})

test('what was refused stays until it is discarded, also over a reload', async () => {
  const channel = await roomOf(hub, 'refused', 'bo', ['ada'])
  await act(hub, 'bo', 'filters', { channel, words: ['turnip'], links: 'all' })
  const ada = await person(browser, hub, 'ada', channel)
  await say(ada.page, 'a turnip')
  await shows(ada.page, 'a turnip', 'failed')
  await reload(ada.page)
  await message(talk(ada.page), 'a turnip', 'failed').getByTestId('discard-button').click()
  await message(talk(ada.page), 'a turnip', 'failed').waitFor({ state: 'detached' })
  assert.equal(await ada.page.evaluate(() => localStorage.getItem('hubbub.unsent.ada')), null)
  assert.deepEqual(ada.faults, [])
  await ada.close()
})

test('a message is sent later, is listed until then, and can be taken back', async () => {
  const channel = await roomOf(hub, 'later', 'ada', ['bo'])
  const waiting = async () => (await act(hub, 'ada', 'scheduled', { channel })).scheduled.map(({ text }) => text)
  const { page, faults, close } = await person(browser, hub, 'ada', channel)
  const input = talk(page).getByTestId('composer-input')
  await input.fill('Good morning!')
  await talk(page).getByTestId('later-button').click()
  await picture(page, 'chat-later')
  await byId(page, 'menu-later-tomorrow').click()
  await byId(page, 'scheduled-bar').getByText('1 message will be sent').waitFor()
  assert.equal(await input.inputValue(), '')
  assert.deepEqual([await waiting(), await texts(page)], [['Good morning!'], []])

  await input.fill('And one at a time of my own')
  await talk(page).getByTestId('later-button').click()
  await byId(page, 'menu-later-other').click()
  await picture(page, 'chat-later-time')
  await byId(page, 'dialog-confirm').click()
  await byId(page, 'scheduled-bar').getByText('2 messages wait').waitFor()
  await reload(page)
  await byId(page, 'scheduled-bar').getByText('2 messages wait').click()
  await picture(page, 'chat-scheduled')
  await page.getByTestId('scheduled-message').filter({ hasText: 'Good morning!' }).getByTestId('unschedule').click()
  await page.getByTestId('scheduled-message').filter({ hasText: 'Good morning!' }).waitFor({ state: 'detached' })
  await page.getByTestId('unschedule').click()
  await byId(page, 'dialog-scheduled').getByText('Nothing waits here').waitFor()
  await byId(page, 'dialog-cancel').click()
  await byId(page, 'scheduled-bar').waitFor({ state: 'hidden' })
  assert.deepEqual(await waiting(), [])

  await act(hub, 'ada', 'send', { channel, text: 'soon enough', at: Date.now() + 2_500 })
  await reload(page)
  await byId(page, 'scheduled-bar').waitFor()
  await shows(page, 'soon enough')
  await byId(page, 'scheduled-bar').waitFor({ state: 'hidden' })
  assert.deepEqual(faults, [])
  await close()
})

test('what a link leads to is told as text, and nothing is loaded from there', async () => {
  const channel = await roomOf(hub, 'links', 'ada', ['bo'])
  const url = 'https://example.org/cats'
  const sent = await act(hub, 'bo', 'send', { channel, text: `See ${url}`, entities: [{ kind: 'link', from: 4, to: 4 + url.length, url }] })
  const { page, faults, close } = await person(browser, hub, 'ada', channel)
  const elsewhere = []
  page.on('request', (request) => request.url().startsWith(hub.url) || elsewhere.push(request.url()))
  await shows(page, `See ${url}`)
  const unfurls = [{ url, title: 'All about <b>cats</b>', description: 'What they eat,\nwhere they sleep.', image: 'https://example.org/cat.png' }, { url: 'https://example.com/' }]
  await act(hub, null, 'unfurl', { channel, message: sent.message, unfurls })
  const card = talk(page).getByTestId('unfurl').first()
  await card.getByText('All about <b>cats</b>', { exact: true }).waitFor()
  assert.equal(await card.getByTestId('unfurl-link').getAttribute('href'), url)
  for (const link of ['unfurl-link', 'unfurl-picture']) assert.match(await card.getByTestId(link).getAttribute('rel'), /noopener noreferrer/)
  assert.equal(await card.getByTestId('unfurl-picture').getAttribute('href'), 'https://example.org/cat.png')
  await talk(page).getByTestId('unfurl').nth(1).getByText('example.com').waitFor()
  await picture(page, 'chat-unfurl')
  await page.reload()
  await card.waitFor()
  assert.equal(await page.locator('.message img').count(), 0)
  await act(hub, null, 'unfurl', { channel, message: sent.message, unfurls: [] })
  await card.waitFor({ state: 'detached' })
  assert.deepEqual([elsewhere, faults], [[], []])
  await close()
})

test('where reactions add up, each click is one more, and one can be taken back', async () => {
  const channel = await roomOf(hub, 'claps', 'ada', ['bo'], { reactions: 'counted' })
  await act(hub, 'ada', 'send', { channel, text: 'We did it' })
  const ada = await person(browser, hub, 'ada', channel)
  const bo = await person(browser, hub, 'bo', channel)
  const chip = ({ page }) => talk(page).getByTestId('reaction')
  await tool(bo.page, 'We did it', 'react')
  await bo.page.locator('[data-testid=emoji][data-emoji="🎉"]').click()
  await chip(bo).getByText('1', { exact: true }).waitFor()
  for (let n = 0; n < 4; n++) await chip(bo).click()
  await chip(ada).getByText('5', { exact: true }).waitFor()
  assert.equal(await talk(ada.page).getByTestId('reaction-less').count(), 0, 'nothing of hers to take back')
  await chip(ada).click()
  await chip(bo).getByText('6', { exact: true }).waitFor()
  await picture(bo.page, 'chat-counted')
  for (let n = 0; n < 2; n++) await talk(bo.page).getByTestId('reaction-less').click()
  await chip(ada).getByText('4', { exact: true }).waitFor()
  assert.equal(await chip(bo).getAttribute('data-mine'), '3')
  assert.deepEqual([ada.faults, bo.faults], [[], []])
  await Promise.all([ada.close(), bo.close()])
})
