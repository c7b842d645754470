// Goal: the pages can be used without a mouse, without sharp eyes and without eyes. Method: what a real Chromium
// computes: its accessibility tree, its colours, its order of the Tab key.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture, visitor } from './browser.mjs'

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

/** Roles that are something to do or to read and must have a name. */
const NAMED = new Set(['button', 'link', 'textbox', 'combobox', 'image', 'navigation', 'complementary', 'log'])

/** What has no name in the accessibility tree. */
async function nameless({ context, page }) {
  const session = await context.newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  await session.detach()
  return nodes.filter((node) => !node.ignored && NAMED.has(node.role?.value) && !node.name?.value?.trim()).map((node) => node.role.value)
}

/** Runs in the page: faults of the document that need nothing but looking. */
function faultsOf() {
  const faults = []
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = color
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1]
  const ground = (element) => {
    if (element === null) return rgba('Canvas')
    const [r, g, b, a] = rgba(getComputedStyle(element).backgroundColor)
    return a === 1 ? [r, g, b, 1] : over([r, g, b, a], ground(element.parentElement))
  }
  const light = ([r, g, b]) => {
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
  }
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05)
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.closest('.hidden') === null && element.getBoundingClientRect().width > 1
  const judge = (element, style, what, least) => {
    const behind = ground(element)
    const ratio = contrast(over(rgba(style.color), behind), behind)
    if (ratio < least) faults.push(`contrast ${ratio.toFixed(2)} below ${least}: ${what}`)
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    if (node.data.trim() === '' || !seen(element)) continue
    const style = getComputedStyle(element)
    // A colour that is the ground's own carries no text: the dot of the widget.
    if (rgba(style.color)[3] === 0) continue
    const size = parseFloat(style.fontSize)
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
    judge(element, style, node.data.trim().slice(0, 40), large ? 3 : 4.5)
  }
  for (const input of document.querySelectorAll('input, textarea, select')) {
    if (!seen(input)) continue
    if (input.placeholder) judge(input, getComputedStyle(input, '::placeholder'), `placeholder ${input.placeholder}`, 4.5)
    const border = contrast(rgba(getComputedStyle(input).borderTopColor), ground(input.parentElement))
    if (border < 3) faults.push(`border ${border.toFixed(2)} below 3: #${input.id}`)
  }
  for (const control of document.querySelectorAll('button, a, input, select, textarea')) {
    if (!seen(control)) continue
    const { width, height } = control.getBoundingClientRect()
    if (width < 24 || height < 24) faults.push(`smaller than 24 by 24: ${control.outerHTML.slice(0, 80)}`)
  }
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  for (const id of ids.filter((one, index) => ids.indexOf(one) !== index)) faults.push(`id ${id} twice`)
  for (const attribute of ['aria-controls', 'aria-describedby', 'aria-labelledby', 'for']) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      if (!ids.includes(element.getAttribute(attribute))) faults.push(`${attribute} names nothing: ${element.outerHTML.slice(0, 80)}`)
    }
  }
  if (document.querySelector('[tabindex]:not([tabindex="0"], [tabindex="-1"])')) faults.push('a tabindex above 0')
  if (document.querySelector('img:not([alt])')) faults.push('an image without alt')
  if (!document.documentElement.lang) faults.push('no language')
  if (document.title === '') faults.push('no title')
  if (document.documentElement.scrollWidth > innerWidth) faults.push('wider than the screen')
  if ([...document.querySelectorAll('main')].filter(seen).length !== 1) faults.push('not one main')
  return faults
}

const isFine = async (who, what) => {
  assert.deepEqual(await who.page.evaluate(faultsOf), [], what)
  assert.deepEqual(await nameless(who), [], what)
}

const HELD_BACK = 'This one does not arrive.'

/** Keeps that message from the hub, so that it is on its way for as long as one looks. */
function holdBack(page) {
  return page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer()
    socket.onMessage((frame) => {
      if (!String(frame).includes(HELD_BACK)) server.send(frame)
    })
  })
}

async function say(page, text) {
  await page.getByTestId('composer-input').fill(text)
  await page.getByTestId('composer-input').press('Enter')
}

const state = (page, id, name) => page.locator(`[data-testid=${id}][data-state=${name}]`).waitFor()

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desk', { width: 1180, height: 760 }], ['phone', { width: 360, height: 640 }]]) {
    test(`${colorScheme}, ${size}: everything has a name, can be read and fits`, async () => {
      const who = await visitor(browser, { colorScheme, viewport, reducedMotion: 'reduce' })
      const { page } = who
      await holdBack(page)
      const name = `${colorScheme}-${size}`
      await page.goto(hub.url)
      await page.getByTestId('name-input').fill('no spaces please')
      await page.getByTestId('join-button').click()
      await page.getByTestId('join-problem').waitFor()
      await isFine(who, 'join')
      await picture(page, `join-${name}`)

      await hub.publish(`chat:${name}`, { text: 'Welcome.' })
      await hub.publish(`chat:${name}`, { text: `A long one: ${'https://example.org/'.repeat(9)}` })
      await page.goto(`${hub.url}/?name=ada&channel=chat:${name}`)
      await page.getByTestId('join-button').click()
      await state(page, 'connection-state', 'connected')
      await page.getByTestId('message').nth(1).waitFor()
      await say(page, 'Thank you!')
      await page.locator('[data-testid=message][data-from=ada][data-state=sent]').waitFor()
      await say(page, HELD_BACK)
      await state(page, 'message', 'sending')
      await isFine(who, 'chat')
      await picture(page, `chat-${name}`)
      await page.goto(`${hub.url}/?name=ada&channel=feed:cpu`)
      await page.getByTestId('join-button').click()
      await state(page, 'connection-state', 'connected')
      await say(page, 'Nobody may write here.')
      await state(page, 'message', 'failed')
      await isFine(who, 'a failed message')
      await picture(page, `chat-failed-${name}`)

      await page.goto(`${hub.url}/dashboard.html`)
      await state(page, 'stream-state', 'connected')
      await isFine(who, 'dashboard')
      await page.goto(`${hub.url}/widget.html?channel=feed:none`)
      await state(page, 'widget-state', 'connected')
      await isFine(who, 'widget')
      assert.deepEqual(who.faults, [])
      await who.context.close()
    })
  }
}

/** What has the focus: its testid, or its id. */
const focused = (page) => page.evaluate(() => document.activeElement.dataset.testid ?? document.activeElement.id)

/** Presses Tab so many times; answers where the focus went. */
async function tabs(page, times) {
  const order = []
  for (let n = 0; n < times; n++) {
    await page.keyboard.press('Tab')
    order.push(await focused(page))
  }
  return order
}

test('by the keyboard alone: join, write in two lines, read back, change the channel, leave', async () => {
  const { page, context, faults } = await visitor(browser)
  for (let n = 1; n <= 40; n++) await hub.publish('chat:keys', { text: `line ${n}` })
  await page.goto(hub.url)
  assert.equal(await focused(page), 'name-input')
  await page.keyboard.type('ada')
  assert.deepEqual(await tabs(page, 1), ['first-channel-input'])
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('chat:keys')
  assert.deepEqual(await tabs(page, 1), ['join-button'])
  await page.keyboard.press('Enter')
  await state(page, 'connection-state', 'connected')
  await page.getByText('line 40', { exact: true }).waitFor()

  assert.equal(await focused(page), 'composer-input')
  await page.keyboard.type('first')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('second')
  await page.keyboard.press('Enter')
  await page.locator('[data-testid=message][data-state=sent]', { hasText: 'first\nsecond' }).waitFor()

  await page.keyboard.press('Shift+Tab')
  assert.equal(await focused(page), 'scroll')
  await page.keyboard.press('Home')
  await page.waitForFunction(() => document.getElementById('scroll').scrollTop === 0)

  await page.getByTestId('channel').first().focus()
  assert.deepEqual(await tabs(page, 10), [
    'channel', 'channel', 'channel', 'channel-input', 'channel-add', 'dashboard-link', 'leave-button', 'scroll', 'composer-input', 'send-button',
  ])

  await page.getByTestId('channel-input').focus()
  await page.keyboard.type('chat:other')
  await page.keyboard.press('Enter')
  await page.getByTestId('channel-name').getByText('chat:other').waitFor()
  assert.equal(await focused(page), 'composer-input')
  assert.equal(await page.locator('[data-testid=channel][aria-current=page]').textContent(), 'chat:other')

  await page.getByTestId('leave-button').focus()
  await page.keyboard.press('Enter')
  await page.getByTestId('join').waitFor()
  assert.equal(await focused(page), 'name-input')
  assert.deepEqual(faults, [])
  await context.close()
})

test('a refused name is said beside its field, and the focus is there', async () => {
  const { page, context } = await visitor(browser)
  await page.goto(hub.url)
  await page.getByTestId('name-input').fill('ada')
  await page.getByTestId('first-channel-input').fill('lobby')
  await page.keyboard.press('Enter')
  await page.getByTestId('join-problem').waitFor()
  assert.equal(await focused(page), 'first-channel-input')
  assert.equal(await page.getByTestId('first-channel-input').getAttribute('aria-invalid'), 'true')
  assert.equal(await page.getByTestId('name-input').getAttribute('aria-invalid'), 'false')
  await context.close()
})

test('drawers of a phone take the focus, keep it and give it back', async () => {
  const { page, context, faults } = await visitor(browser, { viewport: { width: 375, height: 700 } })
  await page.goto(`${hub.url}/?name=ada&channel=chat:drawer`)
  await page.getByTestId('join-button').click()
  await page.locator('[data-testid=person][data-user=ada]').waitFor({ state: 'attached' })
  const open = async (button, drawer) => {
    await page.getByTestId(button).focus()
    await page.keyboard.press('Enter')
    assert.equal(await focused(page), drawer)
    assert.equal(await page.getByTestId(button).getAttribute('aria-expanded'), 'true')
  }
  await open('people-button', 'people')
  assert.deepEqual(await tabs(page, 1), ['close-button'])
  await page.keyboard.press('Enter')
  assert.equal(await focused(page), 'people-button')
  await page.getByTestId('people').waitFor({ state: 'hidden' })

  await open('channels-button', 'channels')
  await picture(page, 'chat-phone-channels')
  assert.deepEqual(await tabs(page, 9), [
    'channel', 'channel', 'channel', 'channel', 'channel-input', 'channel-add', 'dashboard-link', 'leave-button', 'close-button',
  ], 'nothing behind it can be reached')
  await page.keyboard.press('Escape')
  assert.equal(await focused(page), 'channels-button')

  await open('people-button', 'people')
  await page.setViewportSize({ width: 1180, height: 700 })
  await page.waitForFunction(() => !document.getElementById('talk').inert)
  await page.getByTestId('composer-input').click()
  assert.equal(await focused(page), 'composer-input', 'on a wider screen nothing stays locked')
  assert.deepEqual(faults, [])
  await context.close()
})

test('the keyboard of a phone does not cover the last message', async () => {
  for (let n = 1; n <= 40; n++) await hub.publish('chat:small', { text: `line ${n}` })
  const { page, context } = await visitor(browser, { viewport: { width: 375, height: 700 }, hasTouch: true, isMobile: true })
  await page.goto(`${hub.url}/?name=ada&channel=chat:small`)
  await page.getByTestId('join-button').click()
  const last = page.getByText('line 40', { exact: true })
  await last.waitFor()
  assert.notEqual(await focused(page), 'composer-input', 'it does not come unasked')
  await page.setViewportSize({ width: 375, height: 380 })
  await page.waitForFunction(() => {
    const scroll = document.getElementById('scroll')
    return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 2
  })
  await picture(page, 'chat-phone-keyboard')
  await context.close()
})
