import { Secret } from '../secret.ts'

/** A key pair for ES256 that shows who sends a request (RFC 9449 section 4.2). */
export interface ProofKey {
  /** The private half, as the JSON text of a JWK. */
  readonly privateKey: Secret
  /** The public half, which stands in every proof. */
  readonly jwk: PublicProofKey
}

/** RFC 7518 section 6.2.1; the members in the order in which RFC 7638 section 3.2 has them. */
export interface PublicProofKey {
  readonly crv: 'P-256'
  readonly kty: 'EC'
  readonly x: string
  readonly y: string
}

/** The JSON text of a new private JWK. */
export function newProofKeyText(): string {
  // Not imported: whoever binds no token to a key need not wait for node:crypto.
  const { generateKeyPairSync } = process.getBuiltinModule('node:crypto')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return JSON.stringify(privateKey.export({ format: 'jwk' }))
}

/** A proof key from the JSON text of its private JWK. Throws a SyntaxError or a TypeError when that is none. */
export function readProofKey(text: string): ProofKey {
  const { kty, crv, x, y, d } = JSON.parse(text) as Record<string, unknown>
  if (kty !== 'EC' || crv !== 'P-256' || [x, y, d].some((part) => typeof part !== 'string'))
    throw new TypeError('not the private JWK of a P-256 key')
  return { privateKey: new Secret(text), jwk: { crv, kty, x: x as string, y: y as string } }
}

/** `jkt` of a proof key: its JWK thumbprint with SHA-256 (RFC 7638), by which servers know it. */
export const thumbprintOf = ({ jwk: { crv, kty, x, y } }: ProofKey): string =>
  digestOf(JSON.stringify({ crv, kty, x, y }))

/** SHA-256 as base64url. */
export const digestOf = (text: string): string =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('base64url')
