// Goal: the pages can be used without a mouse, without sharp eyes and without eyes. Method: what a real Chromium
// computes: its accessibility tree, its colours, its order of the Tab key; and what axe finds.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture, visitor } from './browser.mjs'
import { act, enter, message, person, room, roomOf, say, shows, standing, talk, tool } from './scene.mjs'

let hub
let browser
let axe

before(async () => {
  hub = await TestHub.start()
  browser = await launch()
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
})
after(async () => {
  await browser?.close()
  await hub?.stop()
})

/** Roles that are something to do or to read and must have a name. */
const NAMED = new Set([
  'button', 'link', 'textbox', 'searchbox', 'combobox', 'image', 'navigation', 'complementary', 'log', 'feed', 'article', 'dialog', 'menu',
  'menuitem', 'listbox', 'option', 'radio',
])

/** What has no name in the accessibility tree. */
async function nameless({ context, page }) {
  const session = await context.newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  await session.detach()
  return nodes.filter((node) => !node.ignored && NAMED.has(node.role?.value) && !node.name?.value?.trim()).map((node) => node.role.value)
}

/** What axe finds that is serious. */
async function axeFaults({ page }) {
  if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(axe)
  const violations = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations)
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)}`)
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
  for (const control of document.querySelectorAll('button, a, input:not([type=radio]), select, textarea')) {
    // A link in a text is as high as its line, and the label of a radio button is what one aims at.
    if (!seen(control) || control.closest('.said') !== null) continue
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
  for (const place of document.querySelectorAll('.side, .bar, .feed, .composer .box, .panel, .panel .scrolls, .menu, .picker, dialog')) {
    if (seen(place) && place.scrollWidth > place.clientWidth) faults.push(`wider than its place: ${place.className || place.localName}`)
  }
  if ([...document.querySelectorAll('main')].filter(seen).length !== 1) faults.push('not one main')
  return faults
}

const isFine = async (who, what) => {
  assert.deepEqual(await who.page.evaluate(faultsOf), [], what)
  assert.deepEqual(await nameless(who), [], what)
  assert.deepEqual(await axeFaults(who), [], what)
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

const byId = (page, id) => page.getByTestId(id)

const LONG_NAME = 'long-name.'.repeat(10)

/** A room with everything in it that a message can have, and beside it one that is called as long as may be. */
async function fullRoom(name) {
  const topic = 'What the members of this room talk about, and a little more than fits on a phone'
  const channel = await roomOf(hub, name, 'cleo', ['ada', 'bo', LONG_NAME], { topic })
  await act(hub, 'cleo', 'role', { channel, user: 'ada', role: 'moderator' })
  const first = await act(hub, 'bo', 'send', { channel, text: 'Welcome.' })
  await act(hub, LONG_NAME, 'send', { channel, text: 'Hello from somebody long.' })
  const link = `https://example.org/${'path/'.repeat(20)}`
  const long = await act(hub, 'bo', 'send', { channel, text: `A long one: ${link}`, entities: [{ kind: 'link', from: 12, to: 12 + link.length, url: link }] })
  const unfurls = [{ url: link, title: 'What is at the end of a long link', description: 'A page.', image: 'https://example.org/picture.png' }]
  await act(hub, null, 'unfurl', { channel, message: long.message, unfurls })
  await act(hub, 'bo', 'send', { channel, text: 'Thank you, @ada, and @here!', reply_to: first.message })
  await act(hub, 'bo', 'send', { channel, text: 'quoted\nlet x = 1', entities: [{ kind: 'quote', from: 0, to: 6 }, { kind: 'pre', from: 7, to: 16 }] })
  const gone = await act(hub, 'bo', 'send', { channel, text: 'oops' })
  await act(hub, 'bo', 'delete', { channel, message: gone.message })
  await act(hub, 'bo', 'send', { channel, text: 'In a thread.', thread: first.message })
  for (const user of ['cleo', 'ada']) await act(hub, user, 'react', { channel, message: first.message, emoji: '👍' })
  await act(hub, 'ada', 'pin', { channel, message: first.message, pinned: true })
  await act(hub, 'ada', 'send', { channel, text: 'For tomorrow.', at: Date.now() + 86_400_000 })
  await roomOf(hub, `${name}-long`, 'cleo', ['ada'], { name: LONG_NAME })
  await act(hub, 'cleo', 'send', { channel: `room:${name}-long`, text: `Hello @ada${'!'.repeat(100)}` })
  const guest = await act(hub, 'bo', 'create', { kind: 'private', name: `Invited ${name}` })
  await act(hub, 'bo', 'invite', { channel: guest.channel, user: 'ada' })
  return channel
}

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of [['desk', { width: 1180, height: 760 }], ['phone', { width: 360, height: 640 }]]) {
    test(`${colorScheme}, ${size}: everything has a name, can be read and fits`, async () => {
      const who = await visitor(browser, { colorScheme, viewport, reducedMotion: 'reduce' })
      const { page } = who
      const name = `${colorScheme}-${size}`
      const fine = async (what) => {
        await isFine(who, what)
        await picture(page, `${what}-${name}`)
      }
      await holdBack(page)
      await page.goto(hub.url)
      await byId(page, 'name-input').fill('no spaces please')
      await byId(page, 'join-button').click()
      await byId(page, 'join-problem').waitFor()
      await fine('join')

      const channel = await fullRoom(name)
      await enter(page, hub, 'ada', channel)
      await shows(page, 'Welcome.')
      await say(page, HELD_BACK)
      await shows(page, HELD_BACK, 'sending')
      await act(hub, 'cleo', 'filters', { channel, words: [], links: 'all' })
      await fine('chat')
      await talk(page).getByTestId('feed').focus()
      await page.keyboard.press('ArrowUp')
      await page.keyboard.press('ArrowUp')
      await fine('chat-focus')

      for (const panel of ['search', 'pins', 'people']) {
        await byId(page, `${panel}-button`).click()
        await byId(page, 'panel').waitFor()
        await fine(`panel-${panel}`)
        await byId(page, 'panel-close').click()
      }
      await message(talk(page), 'Welcome.').getByTestId('thread-link').click()
      await message(byId(page, 'thread'), 'In a thread.').waitFor()
      await fine('panel-thread')
      await byId(page, 'panel-close').click()

      if (size === 'phone') {
        await byId(page, 'side-button').click()
        await fine('side')
      }
      await byId(page, 'inbox-button').click()
      await page.getByTestId('notice').first().waitFor()
      await fine('panel-inbox')
      await byId(page, 'panel-close').click()

      await tool(page, 'Welcome.', 'more')
      await byId(page, 'menu').waitFor()
      await fine('menu')
      await page.keyboard.press('Escape')
      await tool(page, 'Welcome.', 'react')
      await byId(page, 'picker').waitFor()
      await fine('picker')
      await page.keyboard.press('Escape')
      await byId(page, 'room-menu-button').click()
      await byId(page, 'menu-settings').click()
      await fine('dialog-settings')
      await byId(page, 'dialog-cancel').click()
      await page.keyboard.press('ControlOrMeta+k')
      await fine('dialog-switch')
      await page.keyboard.press('Escape')
      await byId(page, 'scheduled-bar').click()
      await fine('dialog-scheduled')
      await byId(page, 'dialog-cancel').click()
      await talk(page).getByTestId('composer-input').fill('Not now.')
      await talk(page).getByTestId('later-button').click()
      await fine('menu-later')
      await byId(page, 'menu-later-other').click()
      await fine('dialog-later')
      await byId(page, 'dialog-cancel').click()

      await page.goto(`${hub.url}/dashboard.html`)
      await page.locator('[data-testid=stream-state][data-state=connected]').waitFor()
      await isFine(who, 'dashboard')
      await page.goto(`${hub.url}/widget.html?channel=feed:none`)
      await page.locator('[data-testid=widget-state][data-state=connected]').waitFor()
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

test('by the keyboard alone: enter, write in two lines, edit, read back, react, answer, change the room, leave', async () => {
  const channel = await roomOf(hub, 'keys', 'bo', ['kay'])
  await roomOf(hub, 'other', 'bo', ['kay'])
  for (let n = 1; n <= 40; n++) await act(hub, 'bo', 'send', { channel, text: `line ${n}` })
  await act(hub, 'kay', 'read', { channel, ordinal: 40 })
  const { page, context, faults } = await visitor(browser)
  await page.goto(`${hub.url}/?name=kay&channel=${channel}`)
  assert.equal(await focused(page), 'name-input')
  assert.deepEqual(await tabs(page, 1), ['join-button'])
  await page.keyboard.press('Enter')
  await standing(page, 'connected')
  await shows(page, 'line 40')

  assert.equal(await focused(page), 'composer-input')
  await page.keyboard.type('first')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('second')
  await page.keyboard.press('Enter')
  await shows(page, 'first\nsecond')
  await page.keyboard.press('ArrowUp')
  await byId(page, 'composer-with').waitFor()
  await page.keyboard.type('!')
  await page.keyboard.press('Enter')
  await shows(page, 'first\nsecond!')

  await page.keyboard.press('Shift+Tab')
  assert.equal(await focused(page), 'feed')
  await page.keyboard.press('ArrowUp')
  const text = () => page.evaluate(() => document.activeElement.querySelector('[data-testid=message-text]')?.textContent)
  assert.equal(await text(), 'first\nsecond!')
  await page.keyboard.press('ArrowUp')
  assert.equal(await text(), 'line 40')
  assert.deepEqual(await tabs(page, 4), ['tool-react', 'tool-reply', 'tool-thread', 'tool-more'])
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  assert.equal(await focused(page), 'emoji')
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await message(talk(page), 'line 40').getByTestId('reaction').waitFor()
  assert.equal(await focused(page), 'tool-react')
  for (const back of ['react-more', 'reaction', 'message']) {
    await page.keyboard.press('Shift+Tab')
    assert.equal(await focused(page), back)
  }
  await page.keyboard.press('Home')
  await page.waitForFunction(() => document.activeElement.querySelector('[data-testid=message-text]')?.textContent === 'line 1')
  await page.keyboard.press('Enter')
  assert.equal(await focused(page), 'menu-react')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await byId(page, 'composer-with').getByText('line 1').waitFor()
  assert.equal(await focused(page), 'composer-input')
  await page.keyboard.press('Escape')
  await byId(page, 'composer-with').waitFor({ state: 'hidden' })

  await page.keyboard.press('ControlOrMeta+k')
  assert.equal(await focused(page), 'switch-input')
  await page.keyboard.type('oth')
  await page.keyboard.press('Enter')
  await byId(page, 'room-name').getByText('other', { exact: true }).waitFor()
  assert.equal(await focused(page), 'composer-input')

  await room(page, 'room:other').focus()
  await page.keyboard.press('ArrowUp')
  await page.keyboard.press('Enter')
  await byId(page, 'room-name').getByText('keys', { exact: true }).waitFor()
  await byId(page, 'search-button').focus()
  await page.keyboard.press('Enter')
  assert.equal(await focused(page), 'search-input')
  await page.keyboard.press('Escape')
  await byId(page, 'panel').waitFor({ state: 'hidden' })
  assert.equal(await focused(page), 'search-button')

  await byId(page, 'leave-button').focus()
  await page.keyboard.press('Enter')
  await byId(page, 'join').waitFor()
  assert.equal(await focused(page), 'name-input')
  assert.deepEqual(faults, [])
  await context.close()
})

test('the order of the Tab key is that of the page', async () => {
  const channel = await roomOf(hub, 'order', 'tab')
  await act(hub, 'tab', 'send', { channel, text: 'only one' })
  const { page, close, faults } = await person(browser, hub, 'tab', channel)
  await shows(page, 'only one')
  await byId(page, 'new-button').focus()
  assert.deepEqual(await tabs(page, 12), [
    'switch-button', 'inbox-button', 'threads-button', 'room-entry', 'dashboard-link', 'leave-button', 'search-button', 'people-button',
    'room-menu-button', 'feed', 'composer-input', 'send-button',
  ])
  assert.deepEqual(faults, [])
  await close()
})

test('a refused name is said beside its field, and the focus is there', async () => {
  const { page, context } = await visitor(browser)
  await page.goto(hub.url)
  await byId(page, 'name-input').fill('a b')
  await page.keyboard.press('Enter')
  await byId(page, 'join-problem').waitFor()
  assert.equal(await focused(page), 'name-input')
  assert.equal(await byId(page, 'name-input').getAttribute('aria-invalid'), 'true')
  await context.close()
})

test('drawers of a phone take the focus, keep it and give it back', async () => {
  const channel = await roomOf(hub, 'drawer', 'dee')
  const { page, close, faults } = await person(browser, hub, 'dee', channel, { viewport: { width: 375, height: 700 } })
  const open = async (button, drawer) => {
    await byId(page, button).focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction((id) => document.activeElement.dataset.testid === id, drawer)
  }
  await open('people-button', 'panel')
  assert.ok(await byId(page, 'talk').count() === 0 && await page.evaluate(() => document.getElementById('talk').inert))
  await page.keyboard.press('Escape')
  await byId(page, 'panel').waitFor({ state: 'hidden' })
  assert.equal(await focused(page), 'people-button')

  await open('side-button', 'side')
  assert.equal(await byId(page, 'side-button').getAttribute('aria-expanded'), 'true')
  const inside = await tabs(page, 8)
  assert.deepEqual(inside.slice(0, 5), ['new-button', 'switch-button', 'inbox-button', 'threads-button', 'room-entry'], 'nothing behind it can be reached')
  await page.keyboard.press('Escape')
  assert.equal(await focused(page), 'side-button')

  await open('people-button', 'panel')
  await page.setViewportSize({ width: 1280, height: 700 })
  await page.waitForFunction(() => !document.getElementById('talk').inert)
  await talk(page).getByTestId('composer-input').click()
  assert.equal(await focused(page), 'composer-input', 'on a wider screen nothing stays locked')
  assert.deepEqual(faults, [])
  await close()
})

test('the keyboard of a phone does not cover the last message', async () => {
  const channel = await roomOf(hub, 'smallest', 'pho')
  for (let n = 1; n <= 40; n++) await act(hub, 'pho', 'send', { channel, text: `line ${n}` })
  const { page, close } = await person(browser, hub, 'pho', channel, { viewport: { width: 375, height: 700 }, hasTouch: true, isMobile: true })
  await shows(page, 'line 40')
  assert.notEqual(await focused(page), 'composer-input', 'it does not come unasked')
  await page.setViewportSize({ width: 375, height: 380 })
  await page.waitForFunction(() => {
    const feed = document.querySelector('[data-testid=feed]')
    return feed.scrollHeight - feed.scrollTop - feed.clientHeight < 2
  })
  await picture(page, 'chat-phone-keyboard')
  await close()
})
