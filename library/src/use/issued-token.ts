import { EvertokenError } from '../errors.ts'
import { AccessToken, type TokenPresentation } from '../grants/token.ts'

/** A token as whoever obtains one hands it over. */
export interface IssuedToken {
  /** The token itself. */
  readonly value: string
  /** Default `Bearer`. */
  readonly type?: string | undefined
  /** UTC ms. */
  readonly expiresAt?: number | undefined
  /** Seconds from now on, where `expiresAt` is not known. */
  readonly expiresIn?: number | undefined
  /** What was granted; a text is taken apart at white space. */
  readonly scope?: string | readonly string[] | undefined
  /** Default: counted from 1. */
  readonly generation?: number | undefined
  /** Whatever else readers may know. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** How an API wants it. */
  readonly presentation?: TokenPresentation | undefined
}

/** Longer than any token has: what is larger is something else. */
const longestToken = 65_536

/**
 * A reader's token out of one that was handed over.
 *
 * @param otherwise what holds where it does not say itself; `lifetime` in ms.
 * @throws EvertokenError `token_unavailable` when it is none, or had expired when it came.
 */
export function accessTokenOf(
  issued: IssuedToken,
  now: number,
  otherwise: { readonly lifetime: number; readonly generation: number },
): AccessToken {
  const { value, type, scope, generation, metadata = {}, presentation } = issued ?? {}
  if (typeof value !== 'string' || value === '' || value.length > longestToken)
    throw unusable('it gave none, an empty one, or one of more than 64 KiB')
  const expiresAt = issued.expiresAt ?? now + (issued.expiresIn ?? otherwise.lifetime / 1000) * 1000
  if (!Number.isFinite(expiresAt)) throw unusable('its expiry is no time')
  if (expiresAt <= now) throw unusable('it had expired when it came')
  return new AccessToken(value, {
    type: type ?? 'Bearer',
    expiresAt,
    scope: Object.freeze(typeof scope === 'string' ? scope.split(/\s+/).filter(Boolean) : [...(scope ?? [])]),
    generation: generation ?? otherwise.generation,
    metadata: Object.freeze({ ...metadata }),
    stale: false,
    presentation,
  })
}

const unusable = (why: string): EvertokenError =>
  new EvertokenError('token_unavailable', `there is no token: ${why}`, {
    advice: "Look at where the token comes from, and compare its clock with this machine's.",
  })
