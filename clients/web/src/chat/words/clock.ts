// Times as people say them.

const DAY_MS = 86_400_000
/** The latest time that JavaScript can say; the hub's "for ever" is later. */
const LATEST_MS = 8_640_000_000_000_000

export const clock = (time: number): string => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })

export const sameDay = (a: number, b: number): boolean => new Date(a).toDateString() === new Date(b).toDateString()

/** The day of a time, beside that of now. */
export function dayName(time: number, now: number): string {
  if (sameDay(time, now)) return 'Today'
  if (sameDay(time, now - DAY_MS)) return 'Yesterday'
  return new Date(time).toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
}

/** Short, for lists: the clock today, a weekday within a week, else the day. */
export function shortTime(time: number, now: number): string {
  if (sameDay(time, now)) return clock(time)
  if (now - time < 6 * DAY_MS) return new Date(time).toLocaleDateString([], { weekday: 'short' })
  return new Date(time).toLocaleDateString([], { day: 'numeric', month: 'short' })
}

export const fullTime = (time: number): string => new Date(time).toLocaleString([], { dateStyle: 'full', timeStyle: 'short' })

/** Until when, for "muted until"; undefined for ever. */
export function until(time: number, now: number): string | undefined {
  if (time >= LATEST_MS) return undefined
  return sameDay(time, now) ? clock(time) : new Date(time).toLocaleString([], { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
}

/** A wait in seconds, for a countdown. */
export function seconds(ms: number): string {
  const s = Math.ceil(ms / 1_000)
  if (s < 60) return `${s} s`
  return s < 3_600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')} min` : `${Math.ceil(s / 3_600)} h`
}
