import type { TokenSource } from 'evertoken'
import { freshToken, presentToken } from 'evertoken/decorators'

/** What an API answers in place of what was asked for. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** A method that throws 401 runs once more, with a newer token. */
  readonly status: number

  constructor(path: string, status: number) {
    super(`${path}: the API answers ${status}`)
    this.status = status
  }
}

export interface User {
  readonly sub: string
  readonly scope: string
}

/** An API, a method for each of its addresses. None of them says a word about tokens but that it needs one. */
export class Api {
  readonly tokens: TokenSource
  readonly #url: string

  constructor(url: string, tokens: TokenSource) {
    this.#url = url
    this.tokens = tokens
  }

  /** Whose token it is. */
  @freshToken((api: Api) => api.tokens)
  async user(): Promise<User> {
    return (await this.#get('/api/whoami')) as User
  }

  /** Seconds that the API still takes the present token for. */
  @freshToken((api: Api) => api.tokens)
  async secondsLeft(): Promise<number> {
    const { expires_in } = (await this.#get('/api/whoami')) as { expires_in: number }
    return expires_in
  }

  async #get(path: string, token = presentToken()): Promise<unknown> {
    const answer = await fetch(`${this.#url}${path}`, {
      headers: { authorization: `${token.type} ${token.value}` },
    })
    if (!answer.ok) throw new ApiError(path, answer.status)
    return answer.json()
  }
}
