import type { CryptoKey } from 'jose'
import { EvertokenError } from '../errors.ts'
import type { SigningKey } from './client.ts'

/** Importing a key costs more than signing with it. Kept only as long as its owner keeps the SigningKey. */
const imported = new WeakMap<SigningKey, Promise<CryptoKey | Uint8Array>>()

/**
 * The key in the form in which it signs: bytes for HS256, else a private key from PKCS #8, PKCS #1 or SEC 1 PEM or a
 * private JWK. jose is loaded here and not before, so that a client with a mere secret never loads it.
 *
 * @throws EvertokenError `invalid_configuration`, never with any of the key in it.
 */
export function importSigningKey(key: SigningKey): Promise<CryptoKey | Uint8Array> {
  let promise = imported.get(key)
  if (promise === undefined) {
    promise = read(key)
    imported.set(key, promise)
  }
  return promise
}

async function read({ algorithm, key }: SigningKey): Promise<CryptoKey | Uint8Array> {
  if (algorithm === 'HS256') return new TextEncoder().encode(key.reveal())
  const text = key.reveal().trim()
  let result: CryptoKey | Uint8Array | undefined
  try {
    result = text.startsWith('{') ? await readJwk(text, algorithm) : await readPem(text, algorithm)
  } catch {
    // The parsers' own messages quote what they could not read.
  }
  if (result === undefined || result instanceof Uint8Array || result.type !== 'private')
    throw unreadable(algorithm, text)
  return result
}

async function readJwk(text: string, algorithm: string): Promise<CryptoKey | Uint8Array> {
  const { importJWK } = await import('./signing.ts')
  return importJWK(JSON.parse(text), algorithm)
}

async function readPem(text: string, algorithm: string): Promise<CryptoKey> {
  const { importPKCS8 } = await import('./signing.ts')
  if (text.startsWith('-----BEGIN PRIVATE KEY-----')) return importPKCS8(text, algorithm)
  // Not imported, which no bundle for a browser could resolve; there only PKCS #8 can be read.
  const { createPrivateKey } = process.getBuiltinModule('node:crypto')
  const pem = createPrivateKey(text).export({ type: 'pkcs8', format: 'pem' })
  return importPKCS8(String(pem), algorithm)
}

function unreadable(algorithm: string, text: string): EvertokenError {
  const what = text.startsWith('{') ? 'JWK' : 'key'
  const kinds = { RS256: 'RSA', ES256: 'P-256', EdDSA: 'Ed25519' } as Record<string, string>
  return new EvertokenError('invalid_configuration', `the ${what} is no private key for ${algorithm}`, {
    advice: `Give an unencrypted ${kinds[algorithm] ?? ''} private key as PKCS #8 PEM (openssl pkcs8 -topk8 -nocrypt) or as a private JWK.`,
  })
}
