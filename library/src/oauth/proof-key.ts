import { Secret } from '../secret.ts'
import type { SigningKey } from './client.ts'

/** A key pair for ES256 that shows who sends a request (RFC 9449 section 4.2). */
export interface ProofKey {
  /** The private half, as the JSON text of a JWK. */
  readonly signing: SigningKey
  /** The public half, which stands in every proof. */
  readonly jwk: PublicProofKey
}

/** RFC 7518 section 6.2.1. */
export interface PublicProofKey {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
}

/** A proof key from the JSON text of its private JWK. Throws a SyntaxError or a TypeError when that is none. */
export function readProofKey(text: string): ProofKey {
  const { kty, crv, x, y, d } = JSON.parse(text) as Record<string, unknown>
  if (kty !== 'EC' || crv !== 'P-256' || [x, y, d].some((part) => typeof part !== 'string'))
    throw new TypeError('not the private JWK of a P-256 key')
  return {
    signing: { algorithm: 'ES256', key: new Secret(text) },
    jwk: { kty, crv, x: x as string, y: y as string },
  }
}

/** `jkt` of a proof key: its JWK thumbprint with SHA-256 (RFC 7638), by which servers know it. */
export async function thumbprintOf({ jwk }: ProofKey): Promise<string> {
  const { calculateJwkThumbprint } = await import('jose')
  return calculateJwkThumbprint({ ...jwk })
}
