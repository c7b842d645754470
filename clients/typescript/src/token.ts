// Where tokens come from. A fetched token is kept over reconnects until the hub says that its time is over, so
// that a thousand pages that reconnect at once do not all ask the application for a new one.

import { HubError, reasonOf } from './errors.js'

/** A fixed token, or a function that gets a new one each time it is called. */
export type TokenProvider = string | (() => string | Promise<string>)

export class TokenSource {
  readonly #provider: TokenProvider
  #kept: string | undefined

  constructor(provider: TokenProvider) {
    this.#provider = provider
  }

  /** Whether forgetting the token can lead to another one. */
  get renewable(): boolean {
    return typeof this.#provider === 'function'
  }

  async get(): Promise<string> {
    if (typeof this.#provider === 'string') return this.#provider
    if (this.#kept !== undefined) return this.#kept
    this.#kept = await ask(this.#provider)
    return this.#kept
  }

  /** The next `get` asks the provider again. */
  forget(): void {
    this.#kept = undefined
  }
}

async function ask(provider: () => string | Promise<string>): Promise<string> {
  let token: unknown
  try {
    token = await provider()
  } catch (thrown) {
    throw new HubError('token_failed', `the token provider failed: ${reasonOf(thrown)}`, { cause: thrown })
  }
  if (typeof token === 'string' && token !== '') return token
  throw new HubError('token_failed', 'the token provider must answer a token, which is a text')
}
