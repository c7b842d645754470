// What a Hub can be told, with its defaults.

import type { Backoff } from './backoff.js'
import type { SocketConstructor } from './connection/socket.js'
import type { Bounds } from './requests/queue.js'
import type { Timers } from './timers.js'
import type { TokenProvider } from './token.js'

export interface HubOptions {
  /** The address of the hub: `https://hub.example` or `wss://hub.example/ws`. In a page `/` means the page's origin. */
  url: string | URL
  /**
   * A token, or a function that gets one. The function is asked again when the token expires; a token is kept over
   * reconnects until then.
   */
  token: TokenProvider
  /** Name and version of the program, for the hub's logs; at most 64 bytes. Default `hubbub-js/<version>`. */
  client?: string
  /** Sent to load balancers so that they find the same node again; false for none. Default: random, kept for the tab. */
  affinity?: string | false
  /** A WebSocket constructor where the platform has none (Node 20: that of `ws`). */
  WebSocket?: SocketConstructor
  /** Bounds of the wait between attempts. Default 500 ms doubling up to 20 s, fully jittered. */
  backoff?: Partial<Backoff>
  /** Bounds of what waits for the hub. Default 1,000 requests, 1 MiB, 32 under way at once, 95 a second. */
  queue?: Partial<Bounds>
  /** How long a publish is tried, in milliseconds. Default 60,000; the hub keeps keys for 48 h at most. */
  giveUpMs?: number
  /** Answers 0 to below 1. Default `Math.random`. */
  random?: () => number
  /** Where the time comes from. Default the platform's. */
  timers?: Timers
}

export interface PublishOptions {
  /** The idempotency key; made when not given. Publishing again with it can not make a second message. */
  key?: string
  /** While readers lag, only the latest message of this key matters. */
  conflateKey?: string
  /** How long this publish is tried, in milliseconds. Default that of the Hub. */
  giveUpMs?: number
}

/** Longer than this no retry is safe: the hub forgets keys after 48 h. */
export const GIVE_UP_MAX_MS = 48 * 3_600_000
/** How long history and presence are waited for, in milliseconds. */
export const READ_GIVE_UP_MS = 30_000
