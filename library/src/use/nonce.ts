import type { AccessToken } from '../grants/token.ts'

/** What of an answer tells about nonces. */
export interface NonceAnswer {
  readonly status: number
  /** Of a header by its lower-case name. */
  readonly header: (name: string) => string | null | undefined
}

/** RFC 9449 section 9: `WWW-Authenticate: DPoP error="use_dpop_nonce"`. */
const asksForNonce = /\bDPoP\b.*\berror="?use_dpop_nonce"?/i

/**
 * Keeps the nonce that an API gave for the next proof (RFC 9449 section 8.2).
 *
 * @returns `again` when the API wants the same request with a nonce that it had not given before, `refused` when it goes on asking
 *   for one: neither says anything of the token.
 */
export function heardNonce(
  token: AccessToken,
  url: string | URL,
  { status, header }: NonceAnswer,
): 'again' | 'refused' | undefined {
  const proof = token.presentation?.proof
  if (proof === undefined) return undefined
  const nonce = header('dpop-nonce')
  const isNew = typeof nonce === 'string' && nonce !== '' && proof.heard(String(url), nonce)
  if (status !== 401 || !asksForNonce.test(header('www-authenticate') ?? '')) return undefined
  return isNew ? 'again' : 'refused'
}
