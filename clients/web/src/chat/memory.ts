// What the page remembers of its reader: the name for this tab and the next, the last room, what was begun to be written
// in each room, and what was sent and has not arrived.

import type { Entity } from '@hubbub/client'

const NAME = 'hubbub.name'
const ROOM = 'hubbub.room'
const DRAFTS = 'hubbub.drafts'
const UNSENT = 'hubbub.unsent'
/** Most drafts that are kept; the oldest go first. */
const DRAFTS_KEPT = 50
/** Most messages that are kept until the hub has them, as many as a conversation of the SDK holds. */
const UNSENT_KEPT = 200

/** Storage may be blocked: then the page works and forgets. */
function attempt<T>(work: () => T, otherwise: T): T {
  try {
    return work()
  } catch {
    return otherwise
  }
}

/** The name that this tab goes by, so that a reload comes back as the same person. */
export const tabName = (): string | null => attempt(() => sessionStorage.getItem(NAME), null)

/** The last name that was used in any tab, as a suggestion. */
export const lastName = (): string => attempt(() => localStorage.getItem(NAME), null) ?? ''

export function rememberName(name: string | null): void {
  attempt(() => {
    if (name === null) return sessionStorage.removeItem(NAME)
    sessionStorage.setItem(NAME, name)
    localStorage.setItem(NAME, name)
  }, undefined)
}

export const lastRoom = (user: string): string | null => attempt(() => localStorage.getItem(`${ROOM}.${user}`), null)

export const rememberRoom = (user: string, channel: string): void => attempt(() => localStorage.setItem(`${ROOM}.${user}`, channel), undefined)

function drafts(user: string): [string, string][] {
  const kept: unknown = attempt(() => JSON.parse(localStorage.getItem(`${DRAFTS}.${user}`) ?? '[]'), [])
  if (!Array.isArray(kept)) return []
  return kept.filter((one): one is [string, string] => Array.isArray(one) && one.length === 2 && one.every((part) => typeof part === 'string'))
}

/** What was begun in a room or thread. */
export const draft = (user: string, place: string): string => drafts(user).find(([at]) => at === place)?.[1] ?? ''

export function rememberDraft(user: string, place: string, text: string): void {
  const others = drafts(user).filter(([at]) => at !== place)
  const kept = text === '' ? others : [...others, [place, text]].slice(-DRAFTS_KEPT)
  attempt(() => localStorage.setItem(`${DRAFTS}.${user}`, JSON.stringify(kept)), undefined)
}

/** A message that was sent and may not have arrived. */
export interface Kept {
  key: string
  channel: string
  thread: string | undefined
  text: string
  entities: Entity[]
  replyTo: string | undefined
  time: number
}

/** In the order of writing. */
export function unsent(user: string): Kept[] {
  const kept: unknown = attempt(() => JSON.parse(localStorage.getItem(`${UNSENT}.${user}`) ?? '[]'), [])
  return Array.isArray(kept) ? kept.filter(isKept) : []
}

function isKept(one: unknown): one is Kept {
  const { key, channel, text, entities, time } = (one ?? {}) as Partial<Kept>
  return [key, channel, text].every((part) => typeof part === 'string') && Array.isArray(entities) && typeof time === 'number'
}

export const keepUnsent = (user: string, kept: Kept): void => setUnsent(user, [...unsent(user), kept].slice(-UNSENT_KEPT))

export function forgetUnsent(user: string, key: string): void {
  const all = unsent(user)
  const left = all.filter((one) => one.key !== key)
  if (left.length < all.length) setUnsent(user, left)
}

function setUnsent(user: string, kept: Kept[]): void {
  attempt(() => (kept.length === 0 ? localStorage.removeItem(`${UNSENT}.${user}`) : localStorage.setItem(`${UNSENT}.${user}`, JSON.stringify(kept))), undefined)
}
