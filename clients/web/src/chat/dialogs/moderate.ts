// What is done about people: invited, given a role, muted, taken out, banned.

import type { Member, Role, Room } from '@hubbub/client'
import { make, named } from '../../dom.js'
import type { App } from '../app.js'
import { face } from '../face.js'
import { AS_TYPED, ask, choice, field } from '../over/dialog.js'
import type { Choice } from '../over/menu.js'
import { above, joined, roles } from '../rights.js'
import { isUser, NAME_RULE } from '../who.js'

const MINUTE_MS = 60_000
const SPANS = [
  { value: '10', text: '10 minutes' }, { value: '60', text: '1 hour' }, { value: '1440', text: '1 day' },
  { value: '10080', text: '1 week' }, { value: 'ever', text: 'For ever' },
] as const

const ROLE_WORDS: Record<Role, string> = { owner: 'Make owner', moderator: 'Make moderator', member: 'Make member', guest: 'Make guest' }

/** What one may do about a member. */
export function memberChoices(app: App, room: Room, member: Member): Choice[] {
  const { user, muted_until: muted } = member
  const direct = async (): Promise<void> => app.go((await app.rooms.create({ kind: 'direct', members: [user] })).channel)
  const choices: Choice[] = [{ text: 'Message directly', sign: 'direct', id: 'direct', do: () => app.attempt(direct()) }]
  if (!joined(room.me) || !above(room.me, member)) return choices
  roles(room.me, member).forEach((role, index) =>
    choices.push({ text: ROLE_WORDS[role], sign: 'shield', id: `role-${role}`, apart: index === 0, do: () => app.attempt(room.role(user, role)) }))
  const isMuted = muted !== null && muted > Date.now()
  const lift = (): void => app.attempt(room.mute(user, { until: null }))
  if (isMuted) choices.push({ text: 'Lift the mute', sign: 'mute', id: 'unmute', apart: true, do: lift })
  else choices.push({ text: 'Mute…', sign: 'mute', id: 'mute', apart: true, do: () => mute(room, user) })
  return [
    ...choices,
    { text: 'Delete their messages…', sign: 'trash', id: 'clear', grave: true, do: () => clear(room, user) },
    { text: 'Take out…', sign: 'out', id: 'kick', grave: true, do: () => kick(room, user) },
    { text: 'Ban…', sign: 'flag', id: 'ban', grave: true, do: () => ban(room, user) },
  ]
}

const reason = (): HTMLInputElement => make('input', { testid: 'reason-input', is: { maxlength: '500', autocomplete: 'off' } })

const given = (input: HTMLInputElement): { reason?: string } => (input.value.trim() === '' ? {} : { reason: input.value.trim() })

const end = (span: string): { until?: number } => (span === 'ever' ? {} : { until: Date.now() + Number(span) * MINUTE_MS })

export function mute(room: Room, user: string): void {
  const span = choice('For how long?', SPANS, '60')
  const why = reason()
  ask({
    title: `Mute ${user}`, id: 'mute', confirm: 'Mute', grave: true,
    body: [make('p', { class: 'quiet', text: 'They read, and do not write.' }), span.element, field('Reason', why, 'optional')],
    submit: () => room.mute(user, { ...end(span.value()), ...given(why) }),
  })
}

export function ban(room: Room, user: string): void {
  const span = choice('For how long?', SPANS, 'ever')
  const why = reason()
  ask({
    title: `Ban ${user}`, id: 'ban', confirm: 'Ban', grave: true,
    body: [make('p', { class: 'quiet', text: 'They are taken out and can not come back.' }), span.element, field('Reason', why, 'optional')],
    submit: () => room.ban(user, { ...end(span.value()), ...given(why) }),
  })
}

function kick(room: Room, user: string): void {
  const why = reason()
  ask({
    title: `Take ${user} out of the room`, id: 'kick', confirm: 'Take out', grave: true, body: [field('Reason', why, 'optional')],
    submit: () => room.kick(user, given(why).reason),
  })
}

function clear(room: Room, user: string): void {
  ask({
    title: `Delete messages of ${user}`, id: 'clear', confirm: 'Delete', grave: true,
    body: [make('p', { text: 'The text of up to 100 of their newest messages is gone for everybody.' })],
    submit: () => room.bulkDelete({ user }),
  })
}

/** Most pages of members that are looked through for who is banned. */
const PAGES = 20

/** Who is banned, and a way back for them. */
export async function banned(app: App, room: Room): Promise<void> {
  const list = make('ul', { class: 'found', testid: 'banned' })
  let after: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const { members, next } = await app.rooms.call('members', { channel: room.channel, limit: 1_000, after })
    for (const { user } of members.filter(({ state }) => state === 'banned')) {
      const item = make('li', { data: { user } }, face(user, 'small'), make('div', { class: 'about' }, named(user)))
      const lift = make('button', { text: 'Lift the ban', testid: 'unban', is: { type: 'button' } })
      lift.onclick = () => app.attempt(room.unban(user).then(() => item.remove()))
      item.append(lift)
      list.append(item)
    }
    if (next === undefined) break
    after = next
  }
  const body = list.childElementCount > 0 ? list : make('p', { class: 'quiet', text: 'Nobody is banned from this room.' })
  ask({ title: 'Banned people', id: 'banned', body: [body] })
}

export function invite(room: Room): void {
  const user = make('input', { testid: 'invite-input', is: { ...AS_TYPED, required: '' } })
  ask({
    title: 'Invite somebody', id: 'invite', confirm: 'Invite', body: [field('Name', user)],
    submit: async () => {
      const name = user.value.trim().replace(/^@/, '')
      if (!isUser(name)) throw new Error(NAME_RULE)
      await room.invite(name)
    },
  })
}
