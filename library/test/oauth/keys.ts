import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { AssertionAlgorithm, SigningKey } from '../../src/oauth/client.ts'
import { Secret } from '../../src/secret.ts'

export interface TestKey {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')

export const testKeys: Readonly<Record<Exclude<AssertionAlgorithm, 'HS256'>, TestKey>> = {
  RS256: rsa,
  ES256: ec,
  EdDSA: ed,
}

export const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8'): string =>
  String(key.export({ type, format: 'pem' } as { type: 'pkcs8'; format: 'pem' }))

export const jwk = (key: KeyObject): string => JSON.stringify(key.export({ format: 'jwk' }))

export const signingKey = (
  algorithm: AssertionAlgorithm,
  text = algorithm === 'HS256' ? 'shared-secret' : pem(testKeys[algorithm].privateKey),
  keyId?: string,
): SigningKey => ({ algorithm, key: new Secret(text), ...(keyId === undefined ? {} : { keyId }) })
