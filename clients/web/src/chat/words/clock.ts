// Times as people say them.

const DAY_MS = 86_400_000
/** The latest time that JavaScript can say; the hub's "for ever" is later. */
const LATEST_MS = 8_640_000_000_000_000

// Made once: making one takes longer than laying out a message.
const CLOCK = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat([], { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
const WEEKDAY = new Intl.DateTimeFormat([], { weekday: 'short' })
const DATE = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short' })
const FULL = new Intl.DateTimeFormat([], { dateStyle: 'full', timeStyle: 'short' })
const SOON = new Intl.DateTimeFormat([], { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' })

export const clock = (time: number): string => CLOCK.format(time)

/** Without the half of the day, where there is no room for it. */
export const shortClock = (time: number): string => clock(time).replace(/\s?[ap]\.?m\.?$/i, '')

const dayOf = (time: number): number => new Date(time).setHours(0, 0, 0, 0)

export const sameDay = (a: number, b: number): boolean => dayOf(a) === dayOf(b)

/** The day of a time, beside that of now. */
export function dayName(time: number, now: number): string {
  if (sameDay(time, now)) return 'Today'
  if (sameDay(time, now - DAY_MS)) return 'Yesterday'
  return DAY.format(time)
}

/** Short, for lists: the clock today, a weekday within a week, else the day. */
export function shortTime(time: number, now: number): string {
  if (sameDay(time, now)) return clock(time)
  if (now - time < 6 * DAY_MS) return WEEKDAY.format(time)
  return DATE.format(time)
}

export const fullTime = (time: number): string => FULL.format(time)

/** Until when, for "muted until"; undefined for ever. */
export function until(time: number, now: number): string | undefined {
  if (time >= LATEST_MS) return undefined
  return sameDay(time, now) ? clock(time) : SOON.format(time)
}

/** A time to come: today by the clock alone. */
export const soon = (time: number, now: number): string => (sameDay(time, now) ? `at ${clock(time)}` : SOON.format(time))

/** A wait in seconds, for a countdown. */
export function seconds(ms: number): string {
  const s = Math.ceil(ms / 1_000)
  if (s < 60) return `${s} s`
  return s < 3_600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')} min` : `${Math.ceil(s / 3_600)} h`
}
