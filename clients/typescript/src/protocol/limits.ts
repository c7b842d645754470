// Limits that both ends know, with the hub's defaults.

/** Largest WebSocket frame that a client may send, in bytes. */
export const FRAME_BYTES = 64 * 1024
/** Most entries of `resume`. */
export const RESUME = 512
/** Largest page of history and largest rewind, in messages. */
export const PAGE = 1_000
/** Most channels of one SSE stream. */
export const SSE_CHANNELS = 64
/** Longest name of a client program, in bytes. */
export const CLIENT_BYTES = 64
/** Longest key, in bytes. */
export const KEY_BYTES = 128

const encoder = new TextEncoder()

/** How many bytes a text takes in UTF-8. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length
}
