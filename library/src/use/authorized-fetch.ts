import type { TokenSource } from '../grants/token.ts'
import { authorizationOf, checkSource } from './authorization.ts'
import { AuthorizedCall, authorized, type CallPolicy } from './authorized-call.ts'
import { checkedOrigins, checkOrigin } from './origins.ts'

/** `{ [withoutToken]: true }` in the second argument leaves that one request as it is. */
export const withoutToken: unique symbol = Symbol.for('evertoken.withoutToken')

/** The second argument of fetch, with one member more. */
export type AuthorizedRequestInit = RequestInit & { readonly [withoutToken]?: boolean | undefined }

/** `fetch` that authorizes; takes the place of the global one. */
export type AuthorizedFetch = (
  input: string | URL | Request,
  init?: AuthorizedRequestInit | undefined,
) => Promise<Response>

export interface AuthorizedFetchOptions {
  /** What sends the request. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
  /**
   * Whether an answer means that the token was refused. Default: status 401. Whoever reads the body here reads that of
   * `response.clone()`.
   */
  isRejected?: ((response: Response) => boolean | Promise<boolean>) | undefined
  /** Seconds a token must still live to be used. Default 0: the source's own margins. */
  minTtl?: number | undefined
  /**
   * The origins that may get the token: `['https://api.example.com']`. A request to any other is refused, and a redirect to any
   * other followed without it. Default: whichever origin a request names, and after a redirect only that one.
   */
  origins?: readonly string[] | undefined
}

const unauthorized = (response: Response): boolean => response.status === 401

/**
 * `fetch` that adds the header itself: `Authorization: Bearer …` (RFC 6750 section 2.1), or as the provider's profile says. When
 * the API refuses the token it reports the refused generation, waits for a newer token and sends the request once more, if its
 * body can be sent again; otherwise, and the second time, the API's own answer comes back. Redirects are followed by the rules of
 * fetch, at most 20, and take the token to no other origin.
 *
 * ```ts
 * const api = authorizedFetch(keeper.source('billing'), { origins: ['https://api.example.com'] })
 * const answer = await api('https://api.example.com/users/23')
 * ```
 *
 * @throws TypeError for what is no token source; EvertokenError `invalid_configuration` for what is no origin. Each call rejects
 *   with what the source throws, with what `fetch` throws, and with `invalid_request` for an origin that is not allowed.
 */
export function authorizedFetch(source: TokenSource, options: AuthorizedFetchOptions = {}): AuthorizedFetch {
  checkSource(source, 'authorizedFetch')
  const origins = checkedOrigins(options.origins)
  const policy: CallPolicy = {
    source,
    send: options.fetch ?? ((input, init) => fetch(input, init)),
    isRejected: options.isRejected ?? unauthorized,
    origins,
  }
  const { minTtl } = options
  const plain = minTtl === undefined ? undefined : { minTtl }

  return async (input, init) => {
    if (init?.[withoutToken] === true) return policy.send(input, init)
    if (origins !== undefined) checkOrigin(origins, input)
    const request = input instanceof Request ? input : undefined
    const signal = init?.signal ?? request?.signal
    const redirect = init?.redirect ?? request?.redirect ?? 'follow'
    const token = await source.getToken(signal === undefined ? plain : { ...plain, signal })
    const followed = redirect === 'follow' ? 'manual' : undefined
    const authorization = authorizationOf(token)
    let first: Response | undefined
    if (token.presentation?.proof === undefined) {
      first = await policy.send(input, authorized(input, init, authorization, followed))
      // Nearly every call ends here, and what it takes is most of what all of this costs.
      if (first.ok && policy.isRejected === unauthorized) return first
    }
    return new AuthorizedCall(policy, token, signal, followed).run(input, init, first)
  }
}
