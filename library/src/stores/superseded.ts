import type { GrantRecord, HeldRefreshToken } from '../grants/grant.ts'

/** How long after it was received a refresh token is kept that its grant no longer holds, in milliseconds: a day. */
export const supersededFor = 86_400_000

/** What a change does to the refresh tokens that a grant held once. */
export interface Departures {
  /** They leave the record now. */
  readonly left: readonly HeldRefreshToken[]
  /** Fingerprints of those that the record has now and had not before, so that they are none of these any more. */
  readonly present: readonly string[]
  /** Nothing is kept any more of a login that was revoked. */
  readonly forgetsAll: boolean
}

/** Undefined when the change touches no refresh token, as most do. */
export function departures(before: GrantRecord | undefined, after: GrantRecord): Departures | undefined {
  const isRevoked = after.status.state === 'revoked'
  if (
    before !== undefined &&
    before.refreshToken === after.refreshToken &&
    before.previousRefreshToken === after.previousRefreshToken &&
    before.candidates === after.candidates &&
    isRevoked === (before.status.state === 'revoked')
  )
    return undefined
  const now = refreshTokensOf(after)
  const then = before === undefined ? none : refreshTokensOf(before)
  return {
    left: isRevoked ? [] : [...then.values()].filter(({ fingerprint }) => !now.has(fingerprint)),
    present: [...now.keys()].filter((fingerprint) => !then.has(fingerprint)),
    forgetsAll: isRevoked,
  }
}

const none: ReadonlyMap<string, HeldRefreshToken> = new Map()

const refreshTokensOf = (record: GrantRecord): ReadonlyMap<string, HeldRefreshToken> =>
  new Map(
    [
      ...record.candidates.map(({ refreshToken }) => refreshToken),
      record.previousRefreshToken,
      record.refreshToken,
    ].flatMap((held) => (held === undefined ? [] : [[held.fingerprint, held]])),
  )
