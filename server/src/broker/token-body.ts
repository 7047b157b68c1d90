import type { AccessToken } from 'evertoken'

/** A token on its way out. Times are UTC ms. */
export type TokenFacts = Pick<
  AccessToken,
  'value' | 'type' | 'expiresAt' | 'scope' | 'generation' | 'metadata' | 'stale' | 'presentation'
> & { readonly reason?: string }

/** Whole seconds that a token has left. */
export const secondsLeft = ({ expiresAt }: Pick<TokenFacts, 'expiresAt'>, utc: number): number =>
  Math.max(0, Math.floor((expiresAt - utc) / 1000))

/** What is told beside the members of RFC 6749: which token it is, how an API wants it, and what else the provider said of it. */
export const hintsOf = ({ generation, metadata, presentation }: TokenFacts) => ({
  generation,
  ...(presentation?.header !== undefined && { header: presentation.header }),
  ...(presentation?.scheme !== undefined && { scheme: presentation.scheme }),
  ...(Object.keys(metadata).length > 0 && { metadata }),
})

/**
 * A token as the broker answers it and the command prints it, so that a script reads the same of both. The only members that leave:
 * whatever else a token may come to hold stays here.
 */
export const tokenBody = (token: TokenFacts, expiresIn: number) => ({
  access_token: token.value,
  token_type: token.type,
  expires_at: new Date(token.expiresAt).toISOString(),
  expires_in: expiresIn,
  scope: token.scope.join(' '),
  ...hintsOf(token),
  ...(token.stale && { stale: true }),
  ...(token.reason !== undefined && { reason: token.reason }),
})
