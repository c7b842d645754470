// What the page remembers of its reader: the name for this tab and the next, and the channels.

const NAME = 'hubbub.name'
const CHANNELS = 'hubbub.channels'
const DEFAULTS = ['chat:lobby', 'chat:random', 'eph:cafe']

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

export function channels(): string[] {
  const kept: unknown = attempt(() => JSON.parse(localStorage.getItem(CHANNELS) ?? 'null'), null)
  return Array.isArray(kept) && kept.length > 0 && kept.every((one) => typeof one === 'string') ? kept : DEFAULTS
}

/** Puts a channel on the list, which holds the last twenty. */
export function rememberChannel(channel: string): void {
  const list = channels()
  if (!list.includes(channel)) attempt(() => localStorage.setItem(CHANNELS, JSON.stringify([...list, channel].slice(-20))), undefined)
}
