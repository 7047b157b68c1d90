import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Practice } from './exchange.ts'
import type { VerificationKey } from './practice-clients.ts'

/** Why an assertion is not accepted; each caller has its own error code for it. */
export class AssertionRefused extends Error {
  override readonly name = 'AssertionRefused'
}

export interface AcceptedAssertion {
  readonly subject: string
  /** `aud` as it was written: a text, or a list. */
  readonly audience: unknown
  /** Makes the assertion used; call it in the same turn as what it buys. Throws when it was used before. */
  spend(): void
}

// An `iat` may lie this far in the future: clocks differ. RFC 7523 section 3 allows "a small leeway".
const iatLeewaySeconds = 60
// RFC 7523 section 3 lets the server refuse an `exp` "unreasonably far in the future"; an hour is Google's bound.
const longestLifeSeconds = 3600

/** `sub` and `iss` as they are claimed, before anything is verified: only to look up whose key to verify with. */
export function claimedNames(assertion: string): { subject: string | undefined; issuer: string | undefined } {
  try {
    const { sub, iss } = decodeJwt(assertion)
    return {
      subject: typeof sub === 'string' ? sub : undefined,
      issuer: typeof iss === 'string' ? iss : undefined,
    }
  } catch {
    throw new AssertionRefused('the assertion is not a JWT')
  }
}

/**
 * The checks of RFC 7523 section 3: kid, alg, signature, iss, aud, exp, nbf, iat, sub, jti. `once`: it lives for an hour at
 * most and buys one thing; one that a platform signs is sent again until the platform renews it.
 */
export async function verifyAssertion(
  assertion: string,
  issuer: string,
  keys: readonly VerificationKey[],
  practice: Practice,
  once = true,
): Promise<AcceptedAssertion> {
  const now = practice.now()
  const payload = await verifySignature(assertion, issuer, keys, practice, now)
  const { sub, aud: audience, exp, iat, jti } = payload
  const seconds = now / 1000
  if (typeof sub !== 'string' || sub === '') throw new AssertionRefused('the assertion has no sub')
  if (exp === undefined) throw new AssertionRefused('the assertion has no exp')
  if (once && exp > seconds + longestLifeSeconds + iatLeewaySeconds)
    throw new AssertionRefused('the assertion expires more than an hour from now')
  if (iat !== undefined && iat > seconds + iatLeewaySeconds)
    throw new AssertionRefused('the assertion was issued in the future')
  if (!once) return { subject: sub, audience, spend: () => undefined }
  if (typeof jti !== 'string' || jti === '') throw new AssertionRefused('the assertion has no jti')
  return {
    subject: sub,
    audience,
    spend() {
      // Here and not before: whatever was awaited since, another request with the same assertion may have come first.
      if (practice.state.assertionWasUsed(issuer, jti))
        throw new AssertionRefused('the assertion was used before (jti)')
      practice.state.commit({ type: 'assertion_accepted', at: now, issuer, jti, expiresAt: exp * 1000 })
    },
  }
}

async function verifySignature(
  assertion: string,
  issuer: string,
  keys: readonly VerificationKey[],
  practice: Practice,
  now: number,
): Promise<JWTPayload> {
  let refusal: unknown
  for (const key of fittingKeys(assertion, keys))
    try {
      const { payload } = await jwtVerify(assertion, key.key, {
        algorithms: [...key.algorithms],
        issuer,
        audience: [practice.issuer, practice.tokenEndpoint],
        currentDate: new Date(now),
      })
      return payload
    } catch (error) {
      refusal = error
      // Only a client with two secrets has a further key that may fit.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break
    }
  // The texts of jose name claims and algorithms, never values.
  if (refusal instanceof errors.JOSEError)
    throw new AssertionRefused(`the assertion was refused: ${refusal.message.replaceAll('"', "'")}`)
  throw refusal
}

function fittingKeys(assertion: string, keys: readonly VerificationKey[]): readonly VerificationKey[] {
  let kid: unknown
  try {
    kid = decodeProtectedHeader(assertion).kid
  } catch {
    throw new AssertionRefused('the assertion is not a JWT')
  }
  const named = keys.filter(({ keyId }) => keyId === kid)
  const fitting = named.length > 0 ? named : keys.filter(({ keyId }) => keyId === undefined)
  if (fitting.length === 0) throw new AssertionRefused('no key is registered under the kid of the assertion')
  return fitting
}
