// Goal: two people chat, lose their connection in every way, and nothing is lost or doubled. Method: two visitors of
// a real Chromium on the pages of a real hub, which is killed and started again under them. A hub that runs already
// (HUB_PUBLIC) must be a fresh one and is not killed.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { skipIfNotOurs, TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { figure, launch, picture, visitor } from './browser.mjs'

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

async function join(page, name, channel) {
  await page.goto(`${hub.url}/?name=${name}&channel=${channel}`)
  await byId(page, 'join-button').click()
  await page.locator('[data-testid=connection-state][data-state=connected]').waitFor()
}

async function say(page, text) {
  await byId(page, 'composer-input').fill(text)
  await page.keyboard.press('Enter')
}

/** Chromium's own "offline" leaves open WebSockets alone, so this breaks them and refuses new ones. */
async function throughTunnel(page) {
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

/** Until the page shows a message with this text in this state. */
const shows = (page, text, state = 'sent') =>
  page.locator(`[data-testid=message][data-state=${state}]`, { has: page.getByText(text, { exact: true }) }).first().waitFor()

/** When the page's reader pressed Enter to send, in milliseconds since 1970. */
const sentAt = (page) =>
  page.evaluate(() => new Promise((resolve) => {
    document.addEventListener('submit', () => resolve(Date.now()), { once: true, capture: true })
  }))

/** When the page first held this text, in milliseconds since 1970. */
const shownAt = (page, text) =>
  page.evaluate((wanted) => new Promise((resolve) => {
    const list = document.querySelector('[data-testid=message-list]')
    const look = () => list.textContent.includes(wanted) && resolve(Date.now())
    new MutationObserver(look).observe(list, { childList: true, subtree: true })
    look()
  }), text)

const texts = (page) => page.getByTestId('message-text').allTextContents()
const standing = (page, state) => page.locator(`[data-testid=connection-state][data-state=${state}]`).waitFor()

test('two people see each other and what they say', async () => {
  const ada = await visitor(browser)
  const bo = await visitor(browser, { colorScheme: 'dark' })
  await join(ada.page, 'ada', 'chat:two')
  await join(bo.page, 'bo', 'chat:two')
  await ada.page.locator('[data-testid=person][data-user=bo]').waitFor()
  await bo.page.locator('[data-testid=person][data-user=ada]').waitFor()

  const times = Promise.all([sentAt(ada.page), shownAt(bo.page, 'Hello Bo!')])
  await say(ada.page, 'Hello Bo!')
  await shows(bo.page, 'Hello Bo!')
  const [sentMs, shownMs] = await times
  assert.ok(shownMs >= sentMs)
  await figure('first_message_ms', shownMs - sentMs)
  await figure('first_message_at', shownMs)
  await say(bo.page, 'Hi Ada, <b>not bold</b>')
  await shows(ada.page, 'Hi Ada, <b>not bold</b>')
  await say(ada.page, 'See the dashboard?')
  await say(ada.page, 'It moves with every event.')
  await shows(bo.page, 'It moves with every event.')
  await shows(ada.page, 'It moves with every event.')
  const said = ['Hello Bo!', 'Hi Ada, <b>not bold</b>', 'See the dashboard?', 'It moves with every event.']
  assert.deepEqual(await texts(ada.page), said)
  assert.deepEqual(await texts(bo.page), said)
  await picture(ada.page, 'chat-light')
  await picture(bo.page, 'chat-dark')

  await bo.context.close()
  await ada.page.locator('[data-testid=person][data-user=bo]').waitFor({ state: 'detached' })
  assert.deepEqual(ada.faults, [])
  assert.deepEqual(bo.faults, [])
  await ada.context.close()
})

test('the hub is killed under them, and they come back with nothing lost', { skip: skipIfNotOurs }, async () => {
  const ada = await visitor(browser)
  const bo = await visitor(browser)
  await join(ada.page, 'ada', 'chat:kill')
  await join(bo.page, 'bo', 'chat:kill')
  await say(ada.page, 'before')
  await shows(bo.page, 'before')

  await hub.kill()
  await standing(ada.page, 'reconnecting')
  await say(ada.page, 'while away 1')
  await say(ada.page, 'while away 2')
  await shows(ada.page, 'while away 2', 'sending')
  await picture(ada.page, 'chat-reconnecting')
  await hub.restart()

  await standing(ada.page, 'connected')
  await standing(bo.page, 'connected')
  await say(bo.page, 'after')
  for (const { page } of [ada, bo]) {
    for (const text of ['before', 'while away 1', 'while away 2', 'after']) await shows(page, text)
    const seen = await texts(page)
    assert.equal(seen.length, 4, 'nothing doubled')
    assert.ok(seen.indexOf('while away 1') < seen.indexOf('while away 2'), 'in the order of writing')
    assert.equal(await byId(page, 'gap').count(), 0, 'and no gap')
  }
  assert.deepEqual(await texts(ada.page), await texts(bo.page))
  await ada.context.close()
  await bo.context.close()
})

test('one loses the network, misses nothing and sends what was written meanwhile', async () => {
  const ada = await visitor(browser)
  const bo = await visitor(browser)
  const tunnel = await throughTunnel(ada.page)
  await join(ada.page, 'ada', 'chat:tunnel')
  await join(bo.page, 'bo', 'chat:tunnel')
  await say(ada.page, 'into the tunnel')
  await shows(bo.page, 'into the tunnel')

  await ada.context.setOffline(true)
  await tunnel.enter()
  await standing(ada.page, 'offline')
  await picture(ada.page, 'chat-offline')
  await say(ada.page, 'from the tunnel')
  for (let n = 1; n <= 5; n++) await say(bo.page, `meanwhile ${n}`)
  await shows(bo.page, 'meanwhile 5')
  tunnel.leave()
  await ada.context.setOffline(false)

  await standing(ada.page, 'connected')
  await shows(ada.page, 'meanwhile 5')
  await shows(ada.page, 'from the tunnel')
  await shows(bo.page, 'from the tunnel')
  assert.deepEqual(await texts(ada.page), await texts(bo.page))
  assert.equal((await texts(ada.page)).length, 7)
  assert.equal(await byId(ada.page, 'gap').count(), 0)
  await ada.context.close()
  await bo.context.close()
})

test('what was said before can be paged in, up to the beginning', async () => {
  for (let n = 1; n <= 130; n++) await hub.publish('chat:long', { text: `line ${n}` })
  const ada = await visitor(browser, { viewport: { width: 375, height: 720 }, hasTouch: true })
  await join(ada.page, 'ada', 'chat:long')
  await shows(ada.page, 'line 130')
  await picture(ada.page, 'chat-phone')
  for (const first of ['line 31', 'line 1']) {
    const held = await ada.page.getByTestId('message').first()
    const before = await held.getAttribute('data-offset')
    await byId(ada.page, 'message-list').evaluate((list) => list.parentElement.scrollTo(0, 0))
    await shows(ada.page, first)
    const inView = await ada.page.locator(`[data-testid=message][data-offset="${before}"]`).evaluate((line) => {
      const { top } = line.getBoundingClientRect()
      return top > 0 && top < innerHeight
    })
    assert.ok(inView, 'what was at the top stays in view')
  }
  assert.deepEqual(await texts(ada.page), Array.from({ length: 130 }, (_, n) => `line ${n + 1}`))
  assert.ok(await byId(ada.page, 'beginning').isVisible())
  await byId(ada.page, 'people-button').click()
  await ada.page.locator('[data-testid=person][data-user=ada]').waitFor()
  await picture(ada.page, 'chat-phone-people')
  await ada.page.keyboard.press('Escape')
  const wider = await ada.page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
  assert.equal(wider, false, 'nothing is wider than the phone')
  assert.deepEqual(ada.faults, [])
  await ada.context.close()
})

test('a channel that keeps nothing says so and works', async () => {
  const ada = await visitor(browser)
  const bo = await visitor(browser)
  await join(ada.page, 'ada', 'eph:cafe')
  await join(bo.page, 'bo', 'eph:cafe')
  await ada.page.getByText('Nothing is kept here').waitFor()
  await say(ada.page, 'psst')
  await shows(bo.page, 'psst')
  await shows(ada.page, 'psst')
  assert.deepEqual(await texts(ada.page), ['psst'])
  await ada.context.close()
  await bo.context.close()
})

test('a name that can not be is refused with words', async () => {
  const { page, context } = await visitor(browser)
  await page.goto(hub.url)
  await byId(page, 'name-input').fill('no spaces please')
  await byId(page, 'join-button').click()
  await byId(page, 'join-problem').waitFor()
  await picture(page, 'join-light')
  await context.close()
})
