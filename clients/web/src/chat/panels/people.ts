// The panel of people: who is here, who else is in the room, and what moderators can do about somebody.

import type { Member, Room } from '@hubbub/client'
import { make, named } from '../../dom.js'
import { Keyed, type Line, once } from '../../keyed.js'
import type { App, Panel } from '../app.js'
import { invite, memberChoices } from '../dialogs/moderate.js'
import { face } from '../face.js'
import { openMenu } from '../over/menu.js'
import { joined, mayInvite } from '../rights.js'
import { iconButton, sign } from '../sign.js'
import { until } from '../words/clock.js'

type Group = 'here' | 'others' | 'invited'

const GROUPS: Record<Group, string> = { here: 'Here now', others: 'Others', invited: 'Invited' }

export function peoplePanel(app: App, room: Room): Panel {
  const note = make('p', { class: 'quiet note', testid: 'people-note' })
  const lists = (Object.keys(GROUPS) as Group[]).map((group) => {
    const title = make('h3', { text: GROUPS[group] })
    const list = make('ul', { class: `persons ${group}`, testid: `people-${group}`, label: GROUPS[group] })
    return { group, title, keyed: new Keyed(list), list }
  })
  const more = make('button', { class: 'text', text: 'Show more', testid: 'people-more' })
  more.onclick = () => app.attempt(room.loadMembers().then((left) => void (more.hidden = !left)))
  more.hidden = true
  const add = make('button', { class: 'text', testid: 'invite-button', click: () => invite(room) }, sign('plus'), 'Invite somebody')
  const draw = (): void => {
    const presence = room.presence
    const all = people(room)
    for (const { group, title, keyed, list } of lists) {
      const members = all.filter((one) => one.group === group)
      title.hidden = list.hidden = members.length === 0
      keyed.draw(members.map(({ member }) => line(app, room, member, group)))
    }
    note.textContent = presence?.large ? `${presence.count} people are here: too many for a list.` : ''
    note.hidden = note.textContent === ''
    add.hidden = room.room === undefined || !mayInvite(room.room, room.me)
  }
  const off = room.on('change', once(draw))
  draw()
  if (joined(room.me)) room.loadMembers().then((left) => void (more.hidden = !left), () => {})
  const body = make('div', { class: 'scrolls', testid: 'people' }, add, note, ...lists.flatMap(({ title, list }) => [title, list]), more)
  return { id: 'people', title: 'People', body, close: off }
}

/** Everybody that is known of, with where they stand in the list. */
function people(room: Room): { member: Member; group: Group }[] {
  const here = new Set(room.presence?.users)
  const known = new Map(room.members.filter(({ state }) => state === 'joined' || state === 'invited').map((member) => [member.user, member]))
  // Of a room that one only visits, presence is all that is known.
  for (const user of here) {
    if (!known.has(user)) known.set(user, { user, role: 'member', state: 'joined', since: 0, muted_until: null })
  }
  const group = ({ user, state }: Member): Group => (state === 'invited' ? 'invited' : here.has(user) ? 'here' : 'others')
  return [...known.values()].sort((a, b) => a.user.localeCompare(b.user)).map((member) => ({ member, group: group(member) }))
}

function line(app: App, room: Room, member: Member, group: Group): Line {
  const { user, role, muted_until: muted } = member
  const isMuted = muted !== null && muted > Date.now()
  return {
    id: user,
    shows: [group, role, isMuted && muted, room.me?.role, room.me?.state],
    make: () => {
      const facts = [role === 'member' ? '' : role, isMuted ? `muted${mutedUntil(muted)}` : ''].filter((fact) => fact !== '')
      const item = make('li', { testid: 'person', data: { user, role, ...(isMuted && { muted: 'true' }) } },
        face(user, 'small'), named(user === app.user ? `${user} (you)` : user, { class: 'who' }),
        make('span', { class: 'role', text: facts.join(', ') }))
      if (user === app.user) return item
      const button = iconButton('more', `What to do with ${user}`, 'person-menu', { 'aria-haspopup': 'menu' })
      button.onclick = () => openMenu(user, memberChoices(app, room, room.members.find((one) => one.user === user) ?? member), button)
      item.append(button)
      return item
    },
  }
}

function mutedUntil(time: number): string {
  const end = until(time, Date.now())
  return end === undefined ? '' : ` until ${end}`
}
