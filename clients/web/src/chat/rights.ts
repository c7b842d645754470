// Who may do what in a room, as docs/CHAT.md says: to show only what would be allowed. The hub decides. Pure.

import type { Me, Member, Role, RoomInfo, ShownMessage } from '@hubbub/client'

const RANK: Record<Role, number> = { guest: 0, member: 1, moderator: 2, owner: 3 }

export const ROLES: readonly Role[] = ['owner', 'moderator', 'member', 'guest']

export const joined = (me: Me | null | undefined): me is Me => me?.state === 'joined'

/** Whether one has this role here, or a higher one. */
export const has = (me: Me | null | undefined, role: Role): boolean => joined(me) && RANK[me.role] >= RANK[role]

export const isModerator = (me: Me | null | undefined): boolean => has(me, 'moderator')

/** Whether one may act upon somebody: moderators upon those below them, owners upon everybody. */
export function above(me: Me | null | undefined, other: Pick<Member, 'role'> | undefined): boolean {
  if (!isModerator(me) || me === null || me === undefined) return false
  return me.role === 'owner' || RANK[me.role] > RANK[other?.role ?? 'member']
}

/** The roles that one may give to somebody. */
export function roles(me: Me | null | undefined, other: Member): Role[] {
  if (!above(me, other)) return []
  return ROLES.filter((role) => role !== other.role && (me?.role === 'owner' || RANK[role] < RANK[me?.role ?? 'guest']))
}

export const mayPin = (room: RoomInfo, me: Me | null): boolean => (room.kind === 'direct' ? joined(me) : isModerator(me))

export const mayEdit = (message: ShownMessage, user: string, shut: Shut | null): boolean => message.from === user && shut === null

export const mayDelete = (message: ShownMessage, user: string, me: Me | null): boolean => message.from === user || isModerator(me)

export const mayInvite = (room: RoomInfo, me: Me | null): boolean => room.kind !== 'direct' && has(me, 'member')

/** Why one can not write. */
export type Shut =
  | { why: 'stranger' | 'outside' | 'invited' | 'banned' | 'archived' | 'announcement' }
  | { why: 'muted'; until: number }

/** Null when one may write; `now` in milliseconds since 1970. */
export function shut(room: RoomInfo, me: Me | null, now: number): Shut | null {
  if (me?.state === 'banned') return { why: 'banned' }
  if (me?.state === 'invited') return { why: 'invited' }
  if (!joined(me)) return { why: room.kind === 'public' || room.kind === 'announcement' ? 'stranger' : 'outside' }
  if (room.archived) return { why: 'archived' }
  if (room.kind === 'announcement' && !isModerator(me)) return { why: 'announcement' }
  if (me.muted_until !== null && me.muted_until > now) return { why: 'muted', until: me.muted_until }
  return null
}

/** How long one waits in slow mode before the next message, in milliseconds; 0 for not at all. */
export function slow(room: RoomInfo, me: Me | null, lastSent: number | undefined, now: number): number {
  if (room.slow_mode_s === 0 || isModerator(me) || lastSent === undefined) return 0
  return Math.max(0, lastSent + room.slow_mode_s * 1_000 - now)
}
