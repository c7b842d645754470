// Random names: keys of publishes and the affinity of a client.

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
const AFFINITY = 'hubbub.affinity'

/** A new idempotency key: 24 characters, some 124 random bits. Also works where a page is not a secure context. */
export function newKey(): string {
  let key = ''
  for (const byte of crypto.getRandomValues(new Uint8Array(24))) key += DIGITS[byte % 36]
  return key
}

/**
 * A name that stays the same for this tab, so that a load balancer can lead it back to the node that knows it.
 * Without sessionStorage (Node, blocked storage) each caller gets one of its own, to be kept.
 */
export function affinity(): string {
  try {
    const kept = sessionStorage.getItem(AFFINITY)
    if (kept !== null && /^[0-9a-z]{24}$/.test(kept)) return kept
    const made = newKey()
    sessionStorage.setItem(AFFINITY, made)
    return made
  } catch {
    return newKey()
  }
}

/** The address with the affinity in it, by which load balancers hash. */
export function withAffinity(url: URL, name: string | undefined): URL {
  if (name !== undefined) url.searchParams.set('affinity', name)
  return url
}
