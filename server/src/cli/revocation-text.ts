import type { GrantSummary, TokenRevocation, UpstreamRevocation } from 'evertoken'
import { distanceText } from './duration.ts'

/** What the provider made of the end of a login, for people. */
export const upstreamText = {
  revoked: 'the provider has ended the login',
  unsupported: 'the provider has no way to end a login; its own pages may',
  failed: 'the provider could not be told: end the login on its own pages',
} as const satisfies Record<UpstreamRevocation, string>

/** What became of each kind of token at the provider: name and words. */
export function toldLines(
  { told, nextAttemptAt }: Pick<GrantSummary, 'told' | 'nextAttemptAt'>,
  now: number,
): readonly (readonly [name: string, words: string])[] {
  const kinds = [
    ['refresh token', told?.refreshToken],
    ['access token', told?.accessToken],
  ] as const
  return kinds.flatMap(([name, token]) =>
    token === undefined ? [] : [[name, wordsOf(token, nextAttemptAt, now)] as const],
  )
}

function wordsOf({ outcome, why }: TokenRevocation, next: number | undefined, now: number): string {
  const because = why === undefined ? '' : ` (${why})`
  switch (outcome) {
    case 'revoked':
      return 'revoked'
    case 'unsupported':
      return 'the provider cannot revoke it; it lives until it expires'
    case 'failed':
      return `not revoked${because}`
    case 'pending':
      return `not revoked yet${because}; told again ${next === undefined ? 'later' : distanceText(next, now)}`
    default:
      return outcome satisfies never
  }
}
