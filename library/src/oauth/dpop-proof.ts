import type { KeyObject } from 'node:crypto'
import { digestOf, type ProofKey } from './proof-key.ts'
import { randomText } from './random-text.ts'
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

/** Parsing a key costs more than signing with it. Kept only as long as its owner keeps the ProofKey. */
const parsed = new WeakMap<ProofKey, KeyObject>()

/** The value of the `DPoP` header of one request, signed with ES256 (RFC 9449 section 4.2). */
export function dpopProof(
  key: ProofKey,
  { method, url, nonce, accessToken }: ProvedRequest,
  { now, random }: Pick<Wire, 'now' | 'random'>,
): string {
  const { origin, pathname } = new URL(url)
  const signed = [
    { typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk },
    {
      jti: randomText(random),
      htm: method,
      htu: `${origin}${pathname}`,
      iat: Math.floor(now() / 1000),
      nonce,
      ath: accessToken === undefined ? undefined : digestOf(accessToken),
    },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  // Not by Web Crypto, which would take a turn on another thread for it: somebody waits for each request.
  const { sign } = process.getBuiltinModule('node:crypto')
  const signature = sign('sha256', Buffer.from(signed), {
    key: keyObject(key),
    // RFC 7518 section 3.4.
    dsaEncoding: 'ieee-p1363',
  })
  return `${signed}.${signature.toString('base64url')}`
}

function keyObject(key: ProofKey): KeyObject {
  const known = parsed.get(key)
  if (known !== undefined) return known
  const { createPrivateKey } = process.getBuiltinModule('node:crypto')
  const made = createPrivateKey({ key: JSON.parse(key.privateKey.reveal()), format: 'jwk' })
  parsed.set(key, made)
  return made
}
