// Goal: a dashboard and a widget move when a service publishes, also after the hub was away. Method: a real Chromium
// on the pages of a real hub; the service is this test, over the internal API.

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

const tile = (page, channel) => page.locator(`[data-testid=tile][data-channel="${channel}"]`)
const value = (page, channel, text) => tile(page, channel).getByTestId('tile-value').getByText(text, { exact: true }).waitFor()
const standing = (page, state) => page.locator(`[data-testid=stream-state][data-state=${state}]`).waitFor()

test('empty it says how to publish, and then it moves', async () => {
  const { page, context, faults } = await visitor(browser)
  await page.goto(`${hub.url}/dashboard.html`)
  await standing(page, 'connected')
  await page.getByTestId('empty-hint').waitFor()
  await picture(page, 'dashboard-empty')

  await hub.publish('feed:cpu', { value: 41 }, 'cpu')
  await value(page, 'feed:cpu', '41')
  await page.getByTestId('empty-hint').waitFor({ state: 'hidden' })
  for (let n = 0; n < 60; n++) {
    await hub.publish('feed:cpu', { value: Math.round(45 + 20 * Math.sin(n / 6) + (n * 7) % 5) }, 'cpu')
    await hub.publish('feed:visitors', { value: 1_200 + n * 11 - ((n * 37) % 60) }, 'visitors')
    await hub.publish('feed:orders', { value: 300 + Math.floor(n / 3) }, 'orders')
    await page.waitForTimeout(50)
  }
  await hub.publish('feed:orders', { value: 512 }, 'orders')
  await value(page, 'feed:orders', '512')
  const skipped = Number(await tile(page, 'feed:orders').getByTestId('tile-skipped').textContent())
  assert.ok(skipped > 0, 'faster than five a second, so some were left out and counted')
  await figure('dashboard_moved', 1)
  await picture(page, 'dashboard-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await picture(page, 'dashboard-dark')
  await page.setViewportSize({ width: 375, height: 760 })
  await picture(page, 'dashboard-phone')
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'nothing is wider than the phone')
  assert.deepEqual(faults, [])
  await context.close()
})

test('the hub goes and comes, and the stream goes on', { skip: skipIfNotOurs }, async () => {
  const { page, context } = await visitor(browser)
  await hub.publish('feed:cpu', { value: 7 }, 'cpu')
  await page.goto(`${hub.url}/dashboard.html`)
  await value(page, 'feed:cpu', '7')
  await hub.kill()
  await standing(page, 'reconnecting')
  await picture(page, 'dashboard-reconnecting')
  await hub.restart()
  await standing(page, 'connected')
  await hub.publish('feed:cpu', { value: 8 }, 'cpu')
  await value(page, 'feed:cpu', '8')
  await context.close()
})

test('a widget begins with the last value and follows', async () => {
  await hub.publish('feed:visitors', { value: 1234 }, 'visitors')
  const { page, context, faults } = await visitor(browser, { viewport: { width: 260, height: 120 } })
  await page.goto(`${hub.url}/widget.html?channel=feed:visitors&label=Visitors`)
  await page.getByTestId('widget-value').getByText('1,234').waitFor()
  await hub.publish('feed:visitors', { value: 1235 }, 'visitors')
  await page.getByTestId('widget-value').getByText('1,235').waitFor()
  await picture(page, 'widget')
  assert.deepEqual(faults, [])
  await context.close()
})
