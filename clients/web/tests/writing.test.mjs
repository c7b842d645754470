// Goal: what one writes gets where it should, when it should and once; what comes to a message later is seen. Method:
// pages of a real hub whose sockets are cut, and whose answers are held back.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture } from './browser.mjs'
import { act, person, roomOf, shows, talk, texts, tool } from './scene.mjs'

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
