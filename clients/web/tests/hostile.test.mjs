// Goal: nothing that somebody writes becomes more than text, turns what stands beside it, or paints over it. Method:
// what the hub takes goes the whole way; what it refuses is put into its frames on their way to the page, as a hub
// that forgot to look would send it.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture, visitor } from './browser.mjs'
import { act, enter, message, roomOf, shows, talk } from './scene.mjs'

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

const MARKS = '\u0335\u0336\u0337\u0338\u030d\u030e\u0304\u0305\u033f\u0311\u0306\u0310\u0352\u0357\u0351\u0307\u0308'

/** What the hub takes. */
const TAKEN = [
  '<img src=x onerror="window.taken=1">', '<script>window.taken=1</script>', '"><svg onload=window.taken=1>', '[x](javascript:window.taken=1)',
  'javascript:window.taken=1', 'see https://example.org/"onmouseover="window.taken=1', `${'W'.repeat(600)}`, 'zero\u200bwidth\u200djoiner\u2060here',
  '\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd', '\u2067turned\u2069',
  `Z\u0335\u0336\u0337\u0338\u030d\u030e\u0304\u0305algo`, '&lt;b&gt; &amp;amp;', '{{constructor.constructor("window.taken=1")()}}',
]

/** What stands in its place, on its way to the page. */
const PUT = {
  'put override': '\u202eevil \u202dtext\u202c',
  'put tower': [...'tower'].map((letter) => letter + MARKS.repeat(6)).join(''),
  'put null': 'a\u0000b\u0007c',
}

/** Puts hostile texts and links into what the hub says. */
function tamper(page) {
  return page.routeWebSocket(/\/ws/, (socket) => {
    const server = socket.connectToServer()
    server.onMessage((frame) => {
      let text = String(frame)
      for (const [word, put] of Object.entries(PUT)) text = text.replaceAll(`"${word}"`, JSON.stringify(put))
      text = text.replaceAll('"url":"https://put.example/link"', '"url":"javascript:window.taken=1"')
      socket.send(text)
    })
  })
}

test('markup, scripts, directions and marks are text, and stay in their place', async () => {
  const channel = await roomOf(hub, 'hostile', 'ada', ['eve', 'bo'], { topic: '<img src=x onerror=window.taken=1>' })
  for (const text of [...TAKEN, ...Object.keys(PUT)]) await act(hub, 'eve', 'send', { channel, text })
  const entities = [{ kind: 'link', from: 0, to: 4, url: 'https://put.example/link' }]
  const linked = await act(hub, 'eve', 'send', { channel, text: 'here it is', entities })
  const card = { title: '<img src=x onerror=window.taken=1>', description: `${'W'.repeat(400)} \u2067turned\u2069`, image: 'https://put.example/picture' }
  await act(hub, null, 'unfurl', { channel, message: linked.message, unfurls: [{ url: 'https://put.example/link', ...card }, { url: 'https://put.example/', ...card }] })
  await act(hub, 'bo', 'send', { channel, text: 'after all that' })
  for (const [scheme, viewport] of [['light', { width: 1180, height: 1400 }], ['dark', { width: 360, height: 1400 }]]) {
    const { page, context, faults } = await visitor(browser, { colorScheme: scheme, viewport })
    page.on('dialog', () => faults.push('a dialog'))
    await tamper(page)
    await enter(page, hub, 'ada', channel)
    await shows(page, 'after all that')
    await picture(page, `hostile-${scheme}`)
    assert.equal(await page.getByTestId('unfurl').count(), 1, 'only what may be followed')
    for (const text of TAKEN.slice(-4)) await message(talk(page), text).waitFor({ state: 'attached' })
    assert.deepEqual(await page.evaluate(hostileFaults), [])
    assert.deepEqual(faults, [])
    await context.close()
  }
})

/** Runs in the page. */
function hostileFaults() {
  const faults = []
  const app = document.getElementById('app')
  if (window.taken !== undefined) faults.push('something ran')
  if (app.querySelector('.message img, .message script, .message svg[onload], .bar img, .room-list img') !== null) faults.push('markup became elements')
  for (const link of app.querySelectorAll('.message a')) {
    if (!/^(https?:|mailto:)/.test(link.getAttribute('href'))) faults.push(`a link to ${link.getAttribute('href')}`)
    if (!link.relList.contains('noopener')) faults.push('a link without noopener')
  }
  for (const element of app.querySelectorAll('.message *')) {
    for (const { name } of element.attributes) if (name.startsWith('on')) faults.push(`an attribute ${name}`)
  }
  for (const head of app.querySelectorAll('.message .head')) {
    const [author, time] = [...head.children].map((child) => child.getBoundingClientRect())
    if (time.left < author.right - 1) faults.push('the time does not stand behind the author')
  }
  for (const text of app.querySelectorAll('.said')) {
    const style = getComputedStyle(text)
    if (style.unicodeBidi !== 'isolate' && style.unicodeBidi !== 'plaintext') faults.push('a text that is not isolated')
    if (style.overflowX !== 'clip' || style.overflowY !== 'clip') faults.push('a text that paints beyond its box')
  }
  const feed = app.querySelector('.feed')
  if (feed.scrollWidth > feed.clientWidth || document.documentElement.scrollWidth > innerWidth) faults.push('wider than its place')
  const rows = [...app.querySelectorAll('.message')].map((row) => row.getBoundingClientRect()).sort((a, b) => a.top - b.top)
  rows.slice(1).forEach((row, index) => {
    if (row.top < rows[index].bottom - 1) faults.push('a message lies over another')
  })
  return faults
}

test('names of people and rooms turn and paint nothing', async () => {
  const name = `\u2067Z\u0335\u0336\u0337\u0338\u030d\u030e\u0304\u0305\u2069<b>`
  const channel = await roomOf(hub, 'named', 'ada', ['bo'], { name, topic: '\u05e9\u05dc\u05d5\u05dd' })
  await act(hub, 'bo', 'send', { channel, text: 'hello' })
  const { page, context, faults } = await visitor(browser)
  await enter(page, hub, 'ada', channel)
  await shows(page, 'hello')
  assert.equal(await page.getByTestId('room-name').textContent(), name)
  const isolated = await page.evaluate(() => [...document.querySelectorAll('[data-testid=room-name], .entry .name bdi, .message .author')]
    .every((element) => getComputedStyle(element).unicodeBidi.includes('isolate') || getComputedStyle(element).unicodeBidi === 'plaintext'))
  assert.ok(isolated)
  await picture(page, 'hostile-names')
  assert.deepEqual(faults, [])
  await context.close()
})
