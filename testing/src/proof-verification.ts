import { createHash } from 'node:crypto'
import { calculateJwkThumbprint, EmbeddedJWK, errors, type JWTPayload, jwtVerify } from 'jose'
import { OAuthError } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'

/** Asymmetric ones alone, RFC 9449 section 4.3. */
export const proofAlgorithms = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256']

/** Seconds that an `iat` may lie from now, either way: clocks differ, and a request takes its time. */
const window = 60

/**
 * The thumbprint of the key that the request was proved with, after the checks of RFC 9449 section 4.3; `undefined` where it
 * brings no proof.
 *
 * @param accessToken at an API, the token that the proof must speak for.
 * @throws OAuthError `invalid_dpop_proof`, `use_dpop_nonce`.
 */
export async function verifyProof(
  { method, path, headers }: Exchange,
  practice: Practice,
  accessToken?: string,
): Promise<string | undefined> {
  // Several headers come joined by a comma, and so are no JWT.
  const proof = headers.dpop
  if (proof === undefined) return undefined
  const { payload, jwk } = await verifySignature(String(proof), practice)
  const { htm, htu, iat, jti, ath, nonce } = payload
  if (htm !== method) throw refused('its htm is not the method of the request')
  if (addressOf(htu) !== `${practice.issuer}${path}`) throw refused('its htu is not where the request went')
  if (typeof iat !== 'number' || Math.abs(iat - practice.now() / 1000) > window)
    throw refused(`its iat is more than ${window} seconds from now`)
  if (typeof jti !== 'string' || jti === '' || jti.length > 200) throw refused('it has no usable jti')
  if (accessToken !== undefined && ath !== createHash('sha256').update(accessToken).digest('base64url'))
    throw refused('its ath is not that of the access token')
  if (practice.options.dpopNonce && !practice.nonces.accepts(nonce))
    throw new OAuthError('use_dpop_nonce', 'the proof must hold the nonce of the DPoP-Nonce header')
  const jkt = await calculateJwkThumbprint(jwk)
  // Looked for and noted in one turn: of two requests with the same proof one is refused.
  if (practice.state.proofWasUsed(jkt, jti)) throw refused('it was used before (jti)')
  const at = practice.now()
  practice.state.commit({ type: 'proof_accepted', at, jkt, jti, expiresAt: at + 2 * window * 1000 })
  return jkt
}

async function verifySignature(proof: string, practice: Practice) {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: proofAlgorithms,
      currentDate: new Date(practice.now()),
    })
    return { payload: payload as JWTPayload, jwk: protectedHeader.jwk as Record<string, string> }
  } catch (error) {
    // The texts of jose name claims and algorithms, never values.
    if (error instanceof errors.JOSEError) throw refused(error.message.replaceAll('"', "'"))
    throw refused('its key cannot be read')
  }
}

/** RFC 9449 section 4.3: compared without query and fragment. */
function addressOf(htu: unknown): string | undefined {
  const url = typeof htu === 'string' ? URL.parse(htu) : null
  return url === null ? undefined : `${url.origin}${url.pathname}`
}

const refused = (why: string): OAuthError =>
  new OAuthError('invalid_dpop_proof', `the DPoP proof was refused: ${why}`)
