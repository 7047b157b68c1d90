import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose'

/** Somebody who proves requests (RFC 9449 section 4), written apart from the library's own. */
export interface Prover {
  readonly jkt: string
  /** The value of the `DPoP` header; a claim or header member that is given stands in place of the right one. */
  proof(
    htm: string,
    htu: string,
    claims?: Record<string, unknown>,
    header?: Record<string, unknown>,
    key?: KeyObject | Uint8Array,
  ): Promise<string>
}

export async function prover(now: () => number): Promise<Prover> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' }) as JWK
  return {
    jkt: await calculateJwkThumbprint(jwk),
    proof: (htm, htu, claims = {}, header = {}, key = privateKey) =>
      new SignJWT({ htm, htu, iat: Math.floor(now() / 1000), jti: randomUUID(), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
        .sign(key),
  }
}

export const athOf = (accessToken: string): string =>
  createHash('sha256').update(accessToken).digest('base64url')
