// The panel of reports, for moderators: what was reported, and what becomes of it.

import type { Report, Room } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { App, Panel } from '../app.js'
import { shortTime } from '../words/clock.js'

const ACTIONS = [['deleted', 'Delete the message'], ['banned', 'Ban its author'], ['dismissed', 'Dismiss']] as const

export function reportsPanel(app: App, room: Room): Panel {
  const list = make('ol', { testid: 'reports' })
  const note = make('p', { class: 'quiet note', text: 'Loading…', is: { role: 'status' } })
  const more = make('button', { class: 'text', text: 'Show more' })
  more.hidden = true
  const tell = (): void => {
    note.textContent = 'No open reports.'
    note.hidden = list.childElementCount > 0
  }
  const load = async (after?: number): Promise<void> => {
    const { reports, next } = await room.reports({ open: true, after })
    list.append(...reports.map((report) => line(app, room, report, tell)))
    more.hidden = typeof next !== 'number'
    more.onclick = () => app.attempt(load(next ?? undefined))
    tell()
  }
  app.attempt(load())
  return { id: 'reports', title: 'Reports', body: make('div', { class: 'scrolls' }, note, list, more) }
}

function line(app: App, room: Room, report: Report, done: () => void): HTMLElement {
  const { by, author, text, reason, time, message } = report
  const item = make('li', { class: 'invitation', testid: 'report', data: { message } },
    make('p', {}, make('strong', {}, named(by ?? 'a service')), ` · ${shortTime(time, Date.now())}`),
    make('p', { text: reason, is: { dir: 'auto' } }),
    make('p', { class: 'quiet' }, named(author ?? 'a service'), ': ', named(text.slice(0, 300))))
  const show = make('button', { text: 'Show', testid: 'report-show', click: () => app.go(room.channel, { message }) })
  const resolve = async (action: (typeof ACTIONS)[number][0]): Promise<void> => {
    await room.resolve(report.id, action)
    item.remove()
    done()
  }
  const ways = ACTIONS.map(([action, text]) => make('button', { text, testid: `resolve-${action}`, click: () => app.attempt(resolve(action)) }))
  item.append(make('div', { class: 'choices' }, show, ...ways))
  return item
}
