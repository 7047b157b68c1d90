import {
  type AuthorizedFetch,
  authorizedFetch,
  type ClientCredentialsOptions,
  clientCredentials,
  type RefreshingTokenSource,
  type TokenSourceOptions,
  tokenSource,
} from 'evertoken'

export type SessionOptions = ClientCredentialsOptions & {
  /** From which the paths of requests count: `https://api.example/v2/`. It is the only origin that gets the token. */
  baseUrl: string | URL
}

/**
 * An HTTP session of a client that acts for itself: it asks for a token when it first needs one, puts it into every request, and renews it five
 * minutes before its end. Requests reject with `InvalidScopeError` and `InvalidGrantError` where the provider says so (RFC 6749 section 5.2).
 */
export class Session implements AsyncDisposable {
  readonly tokens: RefreshingTokenSource
  readonly #base: URL
  readonly #send: AuthorizedFetch

  constructor({ baseUrl, ...client }: SessionOptions, options: TokenSourceOptions = {}) {
    this.#base = new URL(baseUrl)
    this.tokens = tokenSource(clientCredentials({ refreshBefore: 300, ...client }), options)
    this.#send = authorizedFetch(this.tokens, { origins: [this.#base.origin] })
  }

  /** The answer, whatever its status. */
  request(path: string, init?: RequestInit): Promise<Response> {
    return this.#send(new URL(path, this.#base), init)
  }

  /** What the API has there. Throws for a status that is not 2xx. */
  async get(path: string): Promise<unknown> {
    return read(await this.request(path))
  }

  /** Sends JSON. Throws for a status that is not 2xx. */
  async post(path: string, body: unknown): Promise<unknown> {
    const headers = { 'content-type': 'application/json' }
    return read(await this.request(path, { method: 'POST', headers, body: JSON.stringify(body) }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.tokens.close()
  }
}

async function read(answer: Response): Promise<unknown> {
  if (answer.ok) return answer.json()
  throw new Error(`${new URL(answer.url).pathname}: the API answers ${answer.status}`)
}
