// Goal: a room with 10,000 messages is read to its beginning and back without a jolt. Method: a real Chromium scrolls
// it all, and measures what is on the page, how long frames took, and whether the place was kept.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { figure, launch, picture, visitor } from './browser.mjs'
import { act, enter, person, roomOf, shows } from './scene.mjs'

const MESSAGES = 10_000
/** Sends at once. */
const AT_ONCE = 40
/** Longer than this the page must not be busy at a stretch, in milliseconds. Generous: the machine of a test is shared. */
const LONG_MS = 700

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

async function fill(channel) {
  let next = 0
  const work = async () => {
    for (let n = ++next; n <= MESSAGES; n = ++next) {
      const text = n % 7 === 0 ? `message ${n}: ${'a longer one, '.repeat(n % 23)}` : `message ${n}`
      await act(hub, n % 3 === 0 ? 'ada' : 'bo', 'send', { channel, text })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

test('ten thousand messages, to the beginning and back', { timeout: 600_000 }, async () => {
  const channel = await roomOf(hub, 'long', 'ada', ['bo'])
  await fill(channel)
  const { page, faults, close } = await person(browser, hub, 'ada', channel, { viewport: { width: 420, height: 800 } })
  await page.locator(`[data-testid=message][data-ordinal="${MESSAGES}"]`).waitFor()
  await page.evaluate(() => {
    window.busy = []
    new PerformanceObserver((list) => window.busy.push(...list.getEntries().map(({ duration }) => Math.round(duration)))).observe({ type: 'longtask' })
  })
  await page.getByTestId('feed').hover()
  let most = 0
  const began = Date.now()
  for (;;) {
    await page.mouse.wheel(0, -6_000)
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    const { first, rows } = await page.evaluate(() => {
      const shown = [...document.querySelectorAll('[data-testid=room] [data-testid=message]')]
      return { rows: shown.length, first: Math.min(...shown.map(({ dataset }) => Number(dataset.ordinal))) }
    })
    most = Math.max(most, rows)
    if (first === 1 && await page.getByTestId('feed').evaluate((feed) => feed.scrollTop < 5)) break
  }
  const busy = await page.evaluate(() => window.busy)
  await figure('long_scroll_ms', Date.now() - began)
  await figure('long_task_ms', Math.max(0, ...busy))
  await picture(page, 'chat-long-beginning')
  assert.ok(most < 120, `${most} messages were on the page at once`)
  assert.ok(Math.max(0, ...busy) < LONG_MS, `the page was busy for ${Math.max(...busy)} ms at a stretch`)

  await page.getByTestId('jump-newest').click()
  await page.locator(`[data-testid=message][data-ordinal="${MESSAGES}"]`).waitFor()
  await act(hub, 'bo', 'send', { channel, text: 'the very last' })
  await shows(page, 'the very last')
  assert.deepEqual(faults, [])
  await close()
})

/** Keeps pages of messages back until they are let through. */
async function gate(page) {
  let held
  await page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((frame) => {
      if (held !== undefined && String(frame).includes('"messages":[')) held.push(() => socket.send(frame))
      else socket.send(frame)
    })
  })
  return {
    shut: () => (held = []),
    open: () => {
      const waiting = held
      held = undefined
      for (const send of waiting) send()
    },
  }
}

test('what one reads stays in its place while older messages come above it', async () => {
  const channel = await roomOf(hub, 'place', 'ada')
  for (let n = 1; n <= 300; n++) await act(hub, 'ada', 'send', { channel, text: n % 5 === 0 ? `line ${n} ${'and more of it '.repeat(n % 40)}` : `line ${n}` })
  const { page, context } = await visitor(browser)
  const pages = await gate(page)
  await enter(page, hub, 'ada', channel)
  await page.locator('[data-testid=message][data-ordinal="300"]').waitFor()
  const height = () => page.getByTestId('message-list').evaluate((list) => list.clientHeight)
  for (let round = 0; round < 3; round++) {
    pages.shut()
    await page.getByTestId('feed').evaluate((feed) => (feed.scrollTop = 40))
    const line = await page.waitForFunction(() => {
      const top = document.querySelector('[data-testid=feed]').getBoundingClientRect().top
      return [...document.querySelectorAll('[data-testid=message]')].find((one) => Math.abs(one.getBoundingClientRect().top - top - 120) < 60)
    })
    const place = () => line.evaluate((one) => one.getBoundingClientRect().top)
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    const [before, whole] = [await place(), await height()]
    pages.open()
    await page.waitForFunction((than) => document.querySelector('[data-testid=message-list]').clientHeight > than + 500, whole)
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    assert.ok(Math.abs((await place()) - before) < 3, `the line stands where it stood: ${before}, ${await place()}`)
  }
  await context.close()
})

test('who goes to what is new stays there, however late the frames come', async () => {
  const channel = await roomOf(hub, 'late', 'ada', ['bo'])
  await act(hub, 'bo', 'send', { channel, text: 'mine' })
  for (let n = 2; n <= 300; n++) await act(hub, 'ada', 'send', { channel, text: `line ${n}` })
  const { page, faults, close } = await person(browser, hub, 'bo', channel)
  await page.locator('[data-testid=message][data-ordinal="300"]').waitFor()
  await page.getByTestId('jump-unread').waitFor()
  // As on a busy machine: pages come before anybody hears that the list was scrolled.
  await page.evaluate(() => {
    window.late = true
    document.addEventListener('scroll', (event) => window.late && event.stopImmediatePropagation(), true)
  })
  await page.getByTestId('jump-unread').click()
  await page.waitForFunction(() => document.querySelector('[data-testid=message-list]').clientHeight > 3_500)
  await page.evaluate(() => {
    window.late = false
    document.querySelector('[data-testid=feed]').dispatchEvent(new Event('scroll'))
    return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  })
  const inView = await page.evaluate(() => {
    const [feed, first] = ['[data-testid=feed]', '[data-testid=message][data-ordinal="2"]'].map((one) => document.querySelector(one).getBoundingClientRect())
    return first.top >= feed.top - 1 && first.bottom <= feed.bottom + 1
  })
  assert.ok(inView, 'the first new message is where one went')
  await page.getByTestId('jump-newest').click()
  await page.locator('[data-testid=message][data-ordinal="300"]').waitFor()
  assert.deepEqual(faults, [])
  await close()
})
