// How long to wait before the next attempt: full jitter, so that many clients do not come back at once.

/** Bounds of the back-off, in milliseconds. */
export interface Backoff {
  /** The most that is waited after the first failure. Default 500. */
  firstMs: number
  /** The most that is ever waited; the bound doubles up to here. Default 20,000. */
  maxMs: number
}

export const defaultBackoff: Backoff = { firstMs: 500, maxMs: 20_000 }

/** A time to be drawn at random between two bounds, in milliseconds. */
export interface Between {
  minMs: number
  maxMs: number
}

/** The wait after `failures` failures in a row (0 for the first one), at least `floorMs`. */
export function backoff(failures: number, floorMs: number, bounds: Backoff): Between {
  const cap = Math.min(bounds.maxMs, bounds.firstMs * 2 ** Math.min(failures, 30))
  return { minMs: floorMs, maxMs: floorMs + cap }
}

/** Draws the time; `random` answers 0 to below 1. */
export function draw(between: Between, random: () => number): number {
  return between.minMs + random() * (between.maxMs - between.minMs)
}
