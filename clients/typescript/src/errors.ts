// The one error type of the package.

import type { Code } from './protocol/frames.js'

/**
 * Codes that this package adds to those of the hub:
 * - `closed`: the Hub, Stream or Subscription was closed here
 * - `disconnected`: a service disconnected this user for good
 * - `timeout`: no answer in time
 * - `queue_full`: more requests wait than the queue may hold
 * - `too_slow`: an iterator was read too slowly and its buffer is full
 * - `token_failed`: the token provider threw
 * - `network`: the connection or an HTTP request failed
 * - `protocol`: the hub said something that the protocol does not allow
 */
export type ClientCode =
  'closed' | 'disconnected' | 'timeout' | 'queue_full' | 'too_slow' | 'token_failed' | 'network' | 'protocol'

/** Further facts of an error. */
export interface ErrorFacts {
  retryAfterMs?: number | null
  key?: string | undefined
  uncertain?: boolean
  cause?: unknown
}

/** What went wrong. `code` is for programs, `message` for people. */
export class HubError extends Error {
  override readonly name = 'HubError'
  readonly code: Code | ClientCode
  /** When to try again, in milliseconds from now; null when that does not help or is not known. */
  readonly retryAfterMs: number | null
  /** The key of the publish that failed: publishing again with it can not make a second message. */
  readonly key: string | undefined
  /** Whether the hub may have done what was asked, although no answer came. */
  readonly uncertain: boolean

  constructor(code: Code | ClientCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    this.retryAfterMs = facts.retryAfterMs ?? null
    this.key = facts.key
    this.uncertain = facts.uncertain ?? false
  }
}

/** The text of whatever was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
