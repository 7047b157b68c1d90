import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { EvertokenError } from '../../src/errors.ts'
import { type AssertionTemplate, signAssertion } from '../../src/oauth/assertion.ts'
import type { AssertionAlgorithm } from '../../src/oauth/client.ts'
import { jwk, pem, signingKey, testKeys } from './keys.ts'

const now = 1_800_000_000
const wire = { now: () => now * 1000 + 999, random: (bytes: number) => new Uint8Array(bytes).fill(1) }
const template = (overrides: Partial<AssertionTemplate> = {}): AssertionTemplate => ({
  issuer: 'client-1',
  subject: 'person-1',
  audience: 'https://provider.example',
  key: signingKey('HS256'),
  ...overrides,
})
const sign = async (overrides?: Partial<AssertionTemplate>): Promise<string> =>
  (await signAssertion(template(overrides), wire)).reveal()

const verifyingKey = (algorithm: AssertionAlgorithm) =>
  algorithm === 'HS256' ? createSecretKey(Buffer.from('shared-secret')) : testKeys[algorithm].publicKey

test.each(['HS256', 'RS256', 'ES256', 'EdDSA'] as const)(
  '%s: jose verifies what was signed',
  async (algorithm) => {
    const jwt = await sign({ key: signingKey(algorithm, undefined, 'key-7') })
    const { payload, protectedHeader } = await jwtVerify(jwt, verifyingKey(algorithm), {
      issuer: 'client-1',
      audience: 'https://provider.example',
      subject: 'person-1',
      algorithms: [algorithm],
      currentDate: new Date(now * 1000),
    })
    expect(protectedHeader).toEqual({ alg: algorithm, typ: 'JWT', kid: 'key-7' })
    expect(payload).toEqual({
      iss: 'client-1',
      sub: 'person-1',
      aud: 'https://provider.example',
      iat: now,
      exp: now + 300,
      jti: 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE',
    })
  },
)

test.each([
  ['RS256 as PKCS #1', 'RS256', () => pem(testKeys.RS256.privateKey, 'pkcs1')],
  ['ES256 as SEC 1', 'ES256', () => pem(testKeys.ES256.privateKey, 'sec1')],
  ['RS256 as JWK', 'RS256', () => jwk(testKeys.RS256.privateKey)],
  ['ES256 as JWK', 'ES256', () => jwk(testKeys.ES256.privateKey)],
  ['EdDSA as JWK', 'EdDSA', () => jwk(testKeys.EdDSA.privateKey)],
  ['ES256 with blank lines around', 'ES256', () => `\n\n${pem(testKeys.ES256.privateKey)}\n`],
  ['RS256 with Windows line ends', 'RS256', () => pem(testKeys.RS256.privateKey).replaceAll('\n', '\r\n')],
] as const)('a key given as %s signs', async (_name, algorithm, text) => {
  const jwt = await sign({ key: signingKey(algorithm, text()) })
  const verified = await jwtVerify(jwt, testKeys[algorithm].publicKey, { currentDate: new Date(now * 1000) })
  expect(verified.payload.iss).toBe('client-1')
})

test('each assertion has a jti of its own', async () => {
  const one = await signAssertion(template(), { now: wire.now })
  const two = await signAssertion(template(), { now: wire.now })
  expect(decodeJwt(one.reveal()).jti).toMatch(/^[\w-]{43}$/)
  expect(decodeJwt(one.reveal()).jti).not.toBe(decodeJwt(two.reveal()).jti)
})

test('the lifetime, several audiences and no subject', async () => {
  const claims = decodeJwt(await sign({ lifetime: 60, audience: ['a', 'b'], subject: undefined }))
  expect(claims.exp).toBe(now + 60)
  expect(claims.aud).toEqual(['a', 'b'])
  expect(claims).not.toHaveProperty('sub')
})

test('claims are added, replaced, and left out when null', async () => {
  const claims = decodeJwt(
    await sign({
      claims: { scope: 'read', iss: 'other', iat: null, jti: null, exp: 42, nbf: 41, nested: { a: [1] } },
    }),
  )
  expect(claims).toEqual({
    iss: 'other',
    sub: 'person-1',
    aud: 'https://provider.example',
    exp: 42,
    nbf: 41,
    scope: 'read',
    nested: { a: [1] },
  })
})

test('header members are added, replaced, and left out when null; alg stays the key’s', async () => {
  const jwt = await sign({
    key: signingKey('HS256', undefined, 'key-7'),
    header: { kid: 'key-8', typ: null, x5t: 'abc', alg: 'none' },
  })
  expect(decodeProtectedHeader(jwt)).toEqual({ kid: 'key-8', x5t: 'abc', alg: 'HS256' })
})

const smallRsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
const otherCurve = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
const marker = 'bm90IGEga2V5'
test.each([
  ['no key', 'RS256', 'hunter2'],
  ['broken PEM', 'RS256', `-----BEGIN PRIVATE KEY-----\n${marker}\n-----END PRIVATE KEY-----`],
  ['broken PKCS #1', 'RS256', `-----BEGIN RSA PRIVATE KEY-----\n${marker}\n-----END RSA PRIVATE KEY-----`],
  ['a public key', 'RS256', String(testKeys.RS256.publicKey.export({ type: 'spki', format: 'pem' }))],
  ['a public JWK', 'ES256', JSON.stringify(testKeys.ES256.publicKey.export({ format: 'jwk' }))],
  ['a symmetric JWK', 'RS256', `{"kty":"oct","k":"${marker}"}`],
  ['broken JSON', 'ES256', `{"d":"${marker}"`],
  ['a key of another kind', 'ES256', pem(testKeys.RS256.privateKey)],
  ['a key of another curve', 'ES256', pem(otherCurve)],
  ['an RSA key that is too short', 'RS256', pem(smallRsa)],
  [
    'an encrypted key',
    'RS256',
    `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${marker}\n-----END ENCRYPTED PRIVATE KEY-----`,
  ],
] as const)('%s is invalid_configuration, and none of it is shown', async (_name, algorithm, text) => {
  const key = signingKey(algorithm, text)
  const error = await sign({ key }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(EvertokenError)
  expect((error as EvertokenError).code).toBe('invalid_configuration')
  const body = text.split('\n').find((line) => line.length > 10 && !line.startsWith('--')) ?? text
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(body)
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(marker)
})
