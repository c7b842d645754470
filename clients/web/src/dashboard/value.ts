// The number in a message, and a number as a person reads it.

import type { Json } from '@hubbub/client'

/** The value of `{"value": 42}` or of a bare `42`; undefined for anything else. */
export function numberOf(data: Json): number | undefined {
  const value = data !== null && typeof data === 'object' && !Array.isArray(data) ? data.value : data
  return typeof value === 'number' ? value : undefined
}

const plain = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 2 })

/** At most one decimal; millions in short. */
export function shortly(value: number): string {
  return Math.abs(value) >= 1e6 ? compact.format(value) : plain.format(value)
}
