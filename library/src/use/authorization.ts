import { EvertokenError } from '../errors.ts'
import type { AccessToken, TokenSource } from '../grants/token.ts'

/** One header of a request. The value is a secret. */
export interface Authorization {
  /** In lower case. */
  readonly name: string
  readonly value: string
}

/** Made once for each token: requests are many, and looking at each character of a token costs more than all the rest. */
const made = new WeakMap<AccessToken, Authorization>()

/** What a header can carry of a token (RFC 9110 section 5.5); Headers would quote the token in its own error. */
const visible = /^[!-~]+$/

/**
 * The header that carries a token: as its presentation says, else `Authorization` with the token's type (RFC 6750 section 2.1).
 *
 * @throws EvertokenError `token_unavailable` when what the source gave is no token that a header can carry.
 */
export function authorizationOf(token: AccessToken): Authorization {
  const known = made.get(token)
  if (known !== undefined) return known
  const value: unknown = (token as AccessToken | undefined)?.value
  if (typeof value !== 'string' || value === '') throw unusable('gave no token, or an empty one')
  if (!visible.test(value)) throw unusable('gave a token with a character that no header can carry')
  const { header = 'authorization', scheme = token.type ?? 'Bearer' } = token.presentation ?? {}
  const authorization = { name: header.toLowerCase(), value: scheme === '' ? value : `${scheme} ${value}` }
  made.set(token, authorization)
  return authorization
}

const unusable = (what: string): EvertokenError =>
  new EvertokenError('token_unavailable', `the token source ${what}`, {
    advice: 'Look at what the source reads: a file, a command, or a variable that is empty.',
  })

/** Throws a TypeError that says what is wrong with what was given as a token source. */
export function checkSource(source: TokenSource, taker: string): void {
  const given = source as Partial<TokenSource> & { source?: unknown }
  if (typeof given?.source === 'function')
    throw new TypeError(`${taker} takes one grant's tokens, not a keeper: pass keeper.source('its name')`)
  if (typeof given?.getToken !== 'function' || typeof given.rejected !== 'function')
    throw new TypeError(
      `${taker} takes a token source, which has getToken and rejected: keeper.source('name'), tokenSource(…), staticSource(…)`,
    )
}

/** A request that a header is for. */
export interface RequestToAuthorize {
  /** Default `GET`. */
  readonly method?: string | undefined
  /** Whole: `https://api.example/users?page=2`. */
  readonly url: string | URL
  /** Stops waiting for a token. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The headers that authorize one request, for HTTP clients that evertoken has no adapter for.
 *
 * ```ts
 * http.request(url, { headers: await authorizationHeaders(source, { url }) })
 * ```
 *
 * @param from a source, whose token may be refreshed first; or a token that is there already.
 * @returns by lower-case name; the values are secrets.
 * @throws what the source throws; EvertokenError `token_unavailable` when it gives no token that a header can carry.
 */
export async function authorizationHeaders(
  from: TokenSource | AccessToken,
  request: RequestToAuthorize,
): Promise<Record<string, string>> {
  if (typeof from === 'object' && from !== null && 'value' in from) return headersOf(from, request)
  checkSource(from, 'authorizationHeaders')
  const { signal } = request
  return headersOf(await from.getToken(signal && { signal }), request)
}

/** The same for a token, with the proof that goes beside it where it is bound to a key (RFC 9449 section 7.1). */
export async function headersOf(
  token: AccessToken,
  { method = 'GET', url }: RequestToAuthorize,
): Promise<Record<string, string>> {
  const { name, value } = authorizationOf(token)
  const proof = token.presentation?.proof
  if (proof === undefined) return { [name]: value }
  return { [name]: value, dpop: await proof.of({ method: method.toUpperCase(), url: String(url) }) }
}
