// One's own place in a thread: whether one follows it, up to where one has read, and mentions. Pure.

import type { Happened } from '../events.js'
import type { ThreadPlace } from '../operations.js'

/** The place behind an event of the room. `author` wrote the message that the thread hangs under. */
export function placeAfter(place: ThreadPlace, { event, from }: Happened, viewer: string, author: string | undefined): ThreadPlace {
  if (event?.event !== 'message.created' || event.thread !== place.root) return place
  const named = event.mentions.users.includes(viewer)
  const mentions = place.mentions + (named ? 1 : 0)
  if (from === viewer) return { ...place, following: true, read: event.ordinal, mentions, mentions_read: mentions }
  // Whoever is named follows, and whoever wrote the root from the first answer on.
  const following = place.following || named || (event.ordinal === 1 && author === viewer)
  return mentions === place.mentions && following === place.following ? place : { ...place, mentions, following }
}

/** The place behind an event of the own channel. */
export function placeAfterOwn(place: ThreadPlace, { event }: Happened, channel: string): ThreadPlace {
  if (event === undefined || !('thread' in event) || !('channel' in event)) return place
  if (event.thread !== place.root || event.channel !== channel) return place
  if (event.event === 'thread.followed') return { ...place, following: event.following }
  if (event.event === 'read.moved') return { ...place, read: event.ordinal, mentions_read: event.mentions_read }
  return place
}
