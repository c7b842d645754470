// The rooms in the order of reading: invitations apart, the one with the newest message first. Pure.

import type { ListedRoom } from '@hubbub/client'

/** When something last happened in a room: an empty one is as old as it is. */
const moved = ({ last, room, me }: ListedRoom): number => last?.time ?? Math.max(room.created, me.since)

export function ordered(rooms: readonly ListedRoom[]): { invitations: ListedRoom[]; joined: ListedRoom[] } {
  const shut = (one: ListedRoom): number => Number(one.room.archived)
  const byTime = rooms.toSorted((a, b) => shut(a) - shut(b) || moved(b) - moved(a) || a.channel.localeCompare(b.channel))
  return { invitations: byTime.filter(({ me }) => me.state === 'invited'), joined: byTime.filter(({ me }) => me.state === 'joined') }
}
