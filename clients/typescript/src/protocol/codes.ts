// The table of error codes and close codes, as docs/PROTOCOL.md has it. Knows nothing of sockets.

/** Whether the same request may succeed later, for each error code of the hub. */
const TEMPORARY = {
  bad_request: false,
  unauthorized: false,
  token_expired: false,
  revoked: false,
  forbidden: false,
  not_found: false,
  not_supported: false,
  already_subscribed: false,
  not_subscribed: false,
  key_conflict: false,
  too_large: false,
  limit_reached: false,
  rate_limited: true,
  unavailable: true,
  overloaded: true,
  internal: true,
} as const

/** An error code of the hub. A newer hub may send one that is not in this list. */
export type ErrorCode = keyof typeof TEMPORARY

/** Every error code that this version knows. */
export const ERROR_CODES = Object.keys(TEMPORARY) as ErrorCode[]

/** Whether the same request may succeed later. Codes of a newer hub count as lasting. */
export function isTemporary(code: string): boolean {
  return Object.hasOwn(TEMPORARY, code) && TEMPORARY[code as ErrorCode]
}

/** Close codes with a meaning of their own for a client. */
export const CLOSE = { normal: 1000, tokenExpired: 4005, badRequest: 4500, unauthorized: 4501, revoked: 4502, disconnected: 4503 } as const

/** Whether a close code says: do not reconnect. */
export function isFinalClose(code: number): boolean {
  return code >= 4500 && code < 5000
}

/** The error code that says the same as a close code from 4500 on. */
export function errorOfClose(code: number): ErrorCode | 'disconnected' {
  if (code === CLOSE.badRequest) return 'bad_request'
  if (code === CLOSE.unauthorized) return 'unauthorized'
  if (code === CLOSE.revoked) return 'revoked'
  return 'disconnected'
}
