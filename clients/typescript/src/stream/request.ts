// The two plain HTTP requests beside a stream: for a ticket, and for the reason why a stream does not open.

import { HubError, reasonOf } from '../errors.js'
import type { Refusal } from './machine.js'

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** Gets a ticket for these channels; a Refusal when there is none. */
export async function fetchTicket(fetch: Fetch, url: string, token: string, channels: string[], signal: AbortSignal): Promise<string | Refusal> {
  try {
    const response = await fetch(url, {
      method: 'POST', signal, body: JSON.stringify({ channels }),
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    })
    if (!response.ok) return await refusalOf(response)
    const { ticket } = (await response.json()) as { ticket?: unknown }
    if (typeof ticket === 'string') return ticket
    return { verdict: 'again', error: new HubError('protocol', 'the hub answered without a ticket') }
  } catch (cause) {
    return noAnswer(cause)
  }
}

/** Asks the address of a stream why it does not open. `ticketed`: the address carries a ticket. */
export async function askWhy(fetch: Fetch, url: string, ticketed: boolean, signal: AbortSignal): Promise<Refusal> {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  signal.addEventListener('abort', stop)
  try {
    const refusal = await refusalOf(await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: abort.signal }))
    return ticketed && refusal.error.code === 'unauthorized' ? { ...refusal, verdict: 'reticket' } : refusal
  } catch (cause) {
    return noAnswer(cause)
  } finally {
    signal.removeEventListener('abort', stop)
    // A stream that did open this time must not stay open beside the next one.
    stop()
  }
}

async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  if (status === 200) return { verdict: 'again', error: new HubError('network', 'the stream did not open at first') }
  if (status === 204) return { verdict: 'renew', error: new HubError('token_expired', 'the token behind the ticket has expired or was revoked') }
  const problem = await problemOf(response)
  const seconds = Number(response.headers.get('Retry-After') ?? NaN)
  const error = new HubError(
    problem.code ?? codeOf(status), problem.detail ?? `the hub answered with status ${status}`,
    { retryAfterMs: problem.retry_after_ms ?? (Number.isFinite(seconds) ? seconds * 1_000 : null) },
  )
  if (error.code === 'token_expired') return { verdict: 'renew', error }
  const lasting = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429
  return { verdict: lasting ? 'final' : 'again', error }
}

interface Problem {
  code?: string
  detail?: string
  retry_after_ms?: number
}

/** The fields of problem details (RFC 9457) that are what they should be. */
async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null) return {}
  const { code, detail, retry_after_ms: retry } = body as Record<string, unknown>
  return {
    ...(typeof code === 'string' && { code }),
    ...(typeof detail === 'string' && { detail }),
    ...(typeof retry === 'number' && { retry_after_ms: retry }),
  }
}

function codeOf(status: number): string {
  if (status === 401) return 'unauthorized'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'unavailable' : 'bad_request'
}

function noAnswer(cause: unknown): Refusal {
  return { verdict: 'again', error: new HubError('network', `the hub can not be reached: ${reasonOf(cause)}`, { cause }) }
}
