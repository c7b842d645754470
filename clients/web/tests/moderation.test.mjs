// Goal: a moderator keeps a room in order, and who may do what is what one sees. Method: a member, a moderator and an
// owner on pages of a real hub.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TestHub } from '../../typescript/tests/hub/test-hub.mjs'
import { launch, picture } from './browser.mjs'
import { about, act, choose, message, person, room, roomOf, say, shows, talk, texts } from './scene.mjs'

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

/** A room of an owner, with two members and a moderator; one of them and the moderator on pages. */
async function order(name, fields = {}) {
  const channel = await roomOf(hub, name, 'olga', ['max', 'mona', 'pia'], fields)
  await act(hub, 'olga', 'role', { channel, user: 'mona', role: 'moderator' })
  const max = await person(browser, hub, 'max', channel)
  const mona = await person(browser, hub, 'mona', channel, { colorScheme: 'dark' })
  const end = async () => {
    assert.deepEqual([max.faults, mona.faults], [[], []])
    await Promise.all([max.close(), mona.close()])
  }
  return { channel, max: max.page, mona: mona.page, end }
}

test('in slow mode a member waits, sees for how long, and a moderator does not', async () => {
  const { max, mona, end } = await order('slow')
  await byId(mona, 'room-menu-button').click()
  await byId(mona, 'menu-settings').click()
  await byId(mona, 'settings-slow').selectOption('60')
  await picture(mona, 'chat-settings')
  await byId(mona, 'dialog-confirm').click()
  await byId(mona, 'dialog-settings').waitFor({ state: 'detached' })
  await say(max, 'once')
  await shows(mona, 'once')
  await talk(max).getByTestId('send-button').filter({ hasText: ' s' }).waitFor()
  assert.ok(await talk(max).getByTestId('send-button').isDisabled())
  await talk(max).getByTestId('composer-input').fill('too soon')
  await talk(max).getByTestId('composer-input').press('Enter')
  assert.equal(await talk(max).getByTestId('composer-input').inputValue(), 'too soon', 'it is kept, and not sent')
  await picture(max, 'chat-slow')
  await say(mona, 'one')
  await say(mona, 'two')
  await shows(max, 'two')
  await end()
})

test('who is muted reads on and can not write, until it is lifted', async () => {
  const { max, mona, end } = await order('mute')
  await about(mona, 'max', 'mute')
  await byId(mona, 'choice-10').check()
  await byId(mona, 'reason-input').fill('too loud')
  await picture(mona, 'chat-mute')
  await byId(mona, 'dialog-confirm').click()
  await max.locator('[data-testid=shut][data-why=muted]').waitFor()
  await mona.locator('[data-testid=person][data-user=max][data-muted]').waitFor()
  await say(mona, 'Peace.')
  await shows(max, 'Peace.')
  await picture(max, 'chat-muted')
  await about(mona, 'max', 'unmute')
  await talk(max).getByTestId('composer-input').waitFor()
  await say(max, 'Sorry.')
  await shows(mona, 'Sorry.')
  await end()
})

test('a report comes to the moderators, who delete what was reported', async () => {
  const { channel, max, mona, end } = await order('reports')
  await act(hub, 'pia', 'send', { channel, text: 'Buy my pills!' })
  await choose(max, 'Buy my pills!', 'report')
  await byId(max, 'report-reason').fill('Advertising')
  await byId(max, 'dialog-confirm').click()
  await byId(max, 'dialog-report').waitFor({ state: 'detached' })
  await byId(mona, 'inbox-badge').waitFor()
  await byId(mona, 'room-menu-button').click()
  await byId(mona, 'menu-reports').click()
  await mona.getByTestId('report').getByText('Advertising').waitFor()
  await picture(mona, 'chat-reports')
  await mona.getByTestId('report').getByTestId('resolve-deleted').click()
  await talk(max).getByTestId('tombstone').getByText('Removed by a moderator').waitFor()
  await mona.getByTestId('report').waitFor({ state: 'detached' })
  await end()
})

test('a moderator removes messages, takes people out, bans them and lifts the ban', async () => {
  const { channel, max, mona, end } = await order('ban')
  await say(max, 'first')
  await say(max, 'second')
  await choose(mona, 'first', 'delete')
  await byId(mona, 'dialog-confirm').click()
  await talk(max).getByTestId('tombstone').waitFor()
  await about(mona, 'max', 'clear')
  await byId(mona, 'dialog-confirm').click()
  await mona.waitForFunction(() => document.querySelectorAll('[data-testid=tombstone]').length === 2)
  assert.deepEqual(await texts(mona), [])

  await about(mona, 'max', 'kick')
  await byId(mona, 'dialog-confirm').click()
  await max.locator('[data-testid=shut][data-why=stranger]').getByTestId('join-room').click()
  await say(max, 'back again')
  await shows(mona, 'back again')

  await about(mona, 'max', 'ban')
  await byId(mona, 'dialog-confirm').click()
  await room(max, channel).waitFor({ state: 'detached' })
  await max.locator('[data-testid=shut]').waitFor()
  await byId(mona, 'room-menu-button').click()
  await byId(mona, 'menu-banned').click()
  await mona.locator('[data-testid=banned] [data-user=max]').getByTestId('unban').click()
  await mona.locator('[data-testid=banned] [data-user=max]').waitFor({ state: 'detached' })
  await byId(mona, 'dialog-cancel').click()
  await act(hub, 'max', 'join', { channel })
  await room(max, channel).waitFor()
  await end()
})

test('words that a room refuses are refused to the one who writes them', async () => {
  const { max, mona, end } = await order('filters')
  await byId(mona, 'room-menu-button').click()
  await byId(mona, 'menu-filters').click()
  await byId(mona, 'filter-words').fill('turnip')
  await byId(mona, 'dialog-confirm').click()
  await byId(mona, 'dialog-filters').waitFor({ state: 'detached' })
  await say(max, 'a turnip')
  await shows(max, 'a turnip', 'failed')
  await picture(max, 'chat-failed')
  await message(talk(max), 'a turnip', 'failed').getByTestId('discard-button').click()
  await message(talk(max), 'a turnip', 'failed').waitFor({ state: 'detached' })
  await say(max, 'a carrot')
  await shows(mona, 'a carrot')
  assert.equal((await texts(mona)).includes('a turnip'), false)
  await end()
})

test('what one may not do is not offered', async () => {
  const { channel, max, mona, end } = await order('rights', { receipts: true })
  await say(mona, 'Mine.')
  await message(talk(max), 'Mine.').hover()
  await message(talk(max), 'Mine.').getByTestId('tool-more').click()
  const entries = async (page) => page.getByTestId('menu').locator('button').evaluateAll((all) => all.map(({ dataset }) => dataset.testid.slice(5)))
  assert.deepEqual(await entries(max), ['react', 'reply', 'thread', 'copy', 'readers', 'report'])
  await max.keyboard.press('Escape')
  await byId(max, 'room-menu-button').click()
  assert.deepEqual(await entries(max), ['notify', 'invite', 'leave'])
  await max.keyboard.press('Escape')

  await about(mona, 'max', 'mute')
  await mona.keyboard.press('Escape')
  await mona.locator('[data-testid=person][data-user=olga]').getByTestId('person-menu').click()
  assert.deepEqual(await entries(mona), ['direct'], 'nothing upon the owner')
  await mona.keyboard.press('Escape')

  await act(hub, 'olga', 'role', { channel, user: 'max', role: 'moderator' })
  await byId(max, 'room-menu-button').click()
  await byId(max, 'menu-reports').waitFor()
  await end()
})

test('in a room of announcements members read', async () => {
  const { max, mona, end } = await order('news', { kind: 'announcement' })
  await say(mona, 'We open at nine.')
  await shows(max, 'We open at nine.')
  await max.locator('[data-testid=shut][data-why=announcement]').waitFor()
  assert.equal(await room(max, 'room:news').getAttribute('data-kind'), 'announcement')
  await end()
})
