// What an event makes of a message of a room. Pure: a message that does not change stays the same object.

import type { Created, Happened } from '../events.js'
import type { Reaction, RoomMessage } from '../words.js'

/** The message that an event made. */
export function messageOf(happened: Happened, event: Created): RoomMessage {
  const { id, offset = 0, time, from, key } = happened
  const { ordinal, text, entities, attachments, reply_to, thread } = event
  return {
    id, offset, ordinal, time, ...(from !== undefined && { from }), ...(key !== undefined && { key }),
    text, entities, attachments, unfurls: [],
    ...(reply_to !== undefined && { reply_to }), ...(thread !== undefined && { thread }),
    version: 0, edited: null, deleted: null, pinned: false, reactions: {}, replies: 0, replied: null,
  }
}

/** The message behind an event; undefined when it is gone from every page. `viewer` is who looks. */
export function messageAfter(message: RoomMessage, happened: Happened, viewer: string): RoomMessage | undefined {
  const { event, time } = happened
  if (event === undefined) return message
  if (event.event === 'message.created') {
    if (event.thread !== message.id) return message
    return { ...message, replies: event.ordinal, replied: time }
  }
  if (!('message' in event) || event.message !== message.id) return message
  switch (event.event) {
    case 'message.edited': {
      // The same version says that only the name of somebody who was erased went from it.
      const edited = event.version === message.version ? message.edited : time
      return { ...message, text: event.text, entities: event.entities, version: event.version, edited }
    }
    case 'message.deleted':
      if (event.hard) return undefined
      return isErasure(happened) ? nameless(emptied(message, event.by)) : emptied(message, event.by)
    case 'message.unfurled':
      return { ...message, unfurls: event.unfurls }
    case 'message.pinned':
      return { ...message, pinned: event.pinned }
    case 'reaction.changed': {
      const mine = event.user === viewer ? event.mine : (message.reactions[event.emoji]?.mine ?? 0)
      return { ...message, reactions: reacted(message.reactions, event.emoji, event.count, mine) }
    }
  }
}

/** Place and author stay, and what hangs under it. */
function emptied(message: RoomMessage, by: 'author' | 'moderator'): RoomMessage {
  const nothing = { text: '', entities: [], attachments: [], unfurls: [], reactions: {}, version: 0, edited: null, pinned: false }
  return { ...message, ...nothing, deleted: by }
}

/** Whether a message goes with the name of its author: it is deleted for the author by nobody. */
export function isErasure({ event, from }: Happened): boolean {
  return event?.event === 'message.deleted' && event.by === 'author' && from === undefined
}

function nameless({ from: _, key: __, ...message }: RoomMessage): RoomMessage {
  return message
}

function reacted(reactions: RoomMessage['reactions'], emoji: string, count: number, mine: number): RoomMessage['reactions'] {
  const now: Reaction = mine > 0 ? { count, mine } : { count }
  const others = Object.entries(reactions).filter(([other]) => other !== emoji)
  if (count === 0) return Object.fromEntries(others)
  // In place where it was, so that a list of them does not jump.
  if (!Object.hasOwn(reactions, emoji)) return Object.fromEntries([...others, [emoji, now]])
  return Object.fromEntries(Object.entries(reactions).map(([other, was]) => [other, other === emoji ? now : was]))
}
