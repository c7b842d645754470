// The small guards that everything which comes from the hub is looked at with. They know values, not frames.

export type Fields = Record<string, unknown>
/** Whether the fields are what they must be. */
export type Guard = (fields: Fields) => boolean

const OFFSET_MAX = Number.MAX_SAFE_INTEGER
const EPOCH = /^[0-9a-z]{1,13}$/

export const text = (value: unknown): boolean => typeof value === 'string'
export const count = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= OFFSET_MAX
export const epoch = (value: unknown): boolean => typeof value === 'string' && EPOCH.test(value)
export const absent = (value: unknown): boolean => value === undefined
export const optional = (guard: (value: unknown) => boolean) => (value: unknown) => value === undefined || guard(value)
export const list = (guard: Guard) => (value: unknown) => Array.isArray(value) && value.every((item) => isFields(item) && guard(item))

/** Both or neither: a channel without a log has no positions. */
export const place: Guard = (f) => (epoch(f.epoch) && count(f.offset)) || (absent(f.epoch) && absent(f.offset))
/** An offset range; empty when `to` is `from` - 1. */
export const range: Guard = (f) => count(f.from) && count(f.to) && (f.to as number) >= (f.from as number) - 1

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
