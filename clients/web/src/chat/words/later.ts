// When a message may be sent that is not sent now: times as people say them. Pure.

import { clock } from './clock.js'

export interface LaterTime {
  id: string
  text: string
  /** In milliseconds since 1970. */
  at: number
}

const MINUTE_MS = 60_000
/** When a day begins for most. */
const MORNING = 9
const MONDAY = 1

/** A few times that are often wanted, soonest first. */
export function laterTimes(now: number): LaterTime[] {
  const tomorrow = morning(now, 1)
  const monday = morning(now, daysUntil(new Date(now).getDay(), MONDAY))
  return [
    { id: 'soon', text: 'In 20 minutes', at: now + 20 * MINUTE_MS },
    { id: 'hours', text: 'In 3 hours', at: now + 180 * MINUTE_MS },
    { id: 'tomorrow', text: `Tomorrow at ${clock(tomorrow)}`, at: tomorrow },
    ...(monday === tomorrow ? [] : [{ id: 'monday', text: `Monday at ${clock(monday)}`, at: monday }]),
  ]
}

function daysUntil(day: number, wanted: number): number {
  return (wanted - day + 6) % 7 + 1
}

/** The morning so many days on, by the clock on the wall. */
function morning(now: number, days: number): number {
  const date = new Date(now)
  date.setDate(date.getDate() + days)
  return date.setHours(MORNING, 0, 0, 0)
}

/** A time as a field for local times takes it: to the minute. */
export function localField(time: number): string {
  const date = new Date(time)
  const two = (part: number): string => String(part).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`
}
