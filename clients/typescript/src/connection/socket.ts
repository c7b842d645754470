// The part of the WebSocket interface that is used, so that any implementation of it will do.

import { HubError } from '../errors.js'
import { withAffinity } from '../random.js'

export interface Socket {
  readonly readyState: number
  onopen: ((event: never) => void) | null
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

export type SocketConstructor = new (url: string) => Socket

/** The one that was given, or that of the platform. */
export function socketConstructor(given: SocketConstructor | undefined): SocketConstructor {
  if (given !== undefined) return given
  if (typeof WebSocket === 'function') return WebSocket as unknown as SocketConstructor
  throw new HubError('not_supported', 'there is no WebSocket here: give one in the options (in Node 20 that of `ws`)')
}

/** The address of the hub as that of its WebSocket. Relative addresses are meant from the page. */
export function socketUrl(address: string | URL, affinity: string | undefined): string {
  const url = new URL(address, typeof location === 'undefined' ? undefined : location.href)
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:'
  if (url.pathname === '/') url.pathname = '/ws'
  url.hash = ''
  return withAffinity(url, affinity).href
}
