import type { CryptoKey } from 'jose'
import type { ProofKey } from './proof-key.ts'
import { randomText } from './random-text.ts'
import { importSigningKey } from './signing-key.ts'
import type { Wire } from './transport.ts'

/** What a proof speaks for. */
export interface ProvedRequest {
  readonly method: string
  /** Its query and fragment are no part of the proof. */
  readonly url: string
  /** What the server gave to be in the proof (RFC 9449 section 8). */
  readonly nonce?: string | undefined
  /** At an API, the access token that goes with it. */
  readonly accessToken?: string | undefined
}

/** Signs the proof of one request: the value of its `DPoP` header. */
export type Prove = (request: ProvedRequest) => Promise<string>

/**
 * Reads a proof key once, for as many proofs as it is asked for (RFC 9449 section 4.2). jose is loaded here and not before.
 *
 * @throws EvertokenError `invalid_configuration` when the key cannot be read, never with any of it.
 */
export async function prover(key: ProofKey, wire: Pick<Wire, 'now' | 'random'>): Promise<Prove> {
  const { SignJWT, base64url } = await import('jose')
  const signing = (await importSigningKey(key.signing)) as CryptoKey
  return async ({ method, url, nonce, accessToken }) => {
    const { origin, pathname } = new URL(url)
    const claims = {
      jti: randomText(wire.random),
      htm: method,
      htu: `${origin}${pathname}`,
      iat: Math.floor(wire.now() / 1000),
      ...(nonce === undefined ? {} : { nonce }),
      ...(accessToken === undefined ? {} : { ath: base64url.encode(await sha256(accessToken)) }),
    }
    return new SignJWT(claims)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: { ...key.jwk } })
      .sign(signing)
  }
}

const sha256 = async (text: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
