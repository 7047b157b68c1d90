import { type Clock, wallClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { TokenRequest, TokenSource } from '../grants/token.ts'
import { checkSource } from './authorization.ts'
import { accessTokenOf, type IssuedToken } from './issued-token.ts'
import {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
} from './refreshing-source.ts'

/** Where nobody says when it ends: UTC ms of a hundred years. */
const forEver = 100 * 365.25 * 86_400_000

/**
 * One token that is there already and never replaced: for tests, and for tokens that live until somebody ends them.
 *
 * ```ts
 * const api = authorizedFetch(staticSource('xoxb-…'))
 * ```
 *
 * @param token its text, or the text and what is known of it.
 * @returns a source that rejects with `token_unavailable` once the token has expired.
 */
export function staticSource(
  token: string | IssuedToken,
  { clock = wallClock }: { clock?: Pick<Clock, 'now'> | undefined } = {},
): TokenSource {
  const issued = typeof token === 'string' ? { value: token } : token
  const held = accessTokenOf(issued, clock.now(), { lifetime: forEver, generation: 1 })
  const given = async (): Promise<typeof held> => {
    if (clock.now() < held.expiresAt) return held
    throw new EvertokenError(
      'token_unavailable',
      `the token ended at ${new Date(held.expiresAt).toISOString()}`,
      {
        advice: 'A static source refreshes nothing: give it a newer token, or use another source.',
      },
    )
  }
  return { getToken: given, rejected: given }
}

/**
 * The tokens of another source, kept in memory until they are soon to end: for a source that asks somebody each time.
 * Others of its options are those of {@link refreshingSource}.
 */
export function cachedSource(
  source: TokenSource,
  options: RefreshingSourceOptions = {},
): PeekableTokenSource {
  checkSource(source, 'cachedSource')
  return refreshingSource(({ rejected, ...wanted }) => {
    return rejected === undefined
      ? source.getToken(wanted)
      : source.rejected({ generation: rejected, ...wanted })
  }, options)
}

/** The tokens of another source for a scope (RFC 6749 section 6) and a resource (RFC 8707), whatever its reader asks for. */
export function narrowedSource(
  source: TokenSource,
  { scope, resource }: Pick<TokenRequest, 'scope' | 'resource'>,
): TokenSource {
  checkSource(source, 'narrowedSource')
  if (scope === undefined && resource === undefined)
    throw new EvertokenError('invalid_configuration', 'narrowedSource: neither scope nor resource is given', {
      advice: 'Give one of them or both; without them the source itself will do.',
    })
  const fixed = { ...(scope !== undefined && { scope }), ...(resource !== undefined && { resource }) }
  return {
    getToken: (request) => source.getToken({ ...request, ...fixed }),
    rejected: (report) => source.rejected({ ...report, ...fixed }),
  }
}
