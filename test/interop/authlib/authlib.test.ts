// Against Authlib, a Python server that nobody here wrote: JWT bearer above all, and metadata by RFC 8414 alone.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  authorizationCode,
  clientCredentials,
  type GrantDefinition,
  type JwtBearerOptions,
  jwtBearer,
  Keeper,
} from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type Authlib, startAuthlib, type TokenRequest } from './authlib-process.ts'
import { pythonWithAuthlib } from './python-packages.ts'

const python = await pythonWithAuthlib()
if ('missing' in python)
  console.warn(`SKIPPED: the tests against authlib. It is not installed; ${python.missing}`)

const pkcs8 = (key: KeyObject) => String(key.export({ type: 'pkcs8', format: 'pem' }))
const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const sharedSecret = 'a-shared-secret-of-at-least-32-bytes'

const keys = {
  RS256: { key: pkcs8(rsa.privateKey), publicKey: rsa.publicKey.export({ format: 'jwk' }) },
  ES256: { key: pkcs8(ec.privateKey), publicKey: ec.publicKey.export({ format: 'jwk' }) },
  EdDSA: { key: pkcs8(ed.privateKey), publicKey: ed.publicKey.export({ format: 'jwk' }) },
  HS256: {
    key: sharedSecret,
    publicKey: { kty: 'oct', k: Buffer.from(sharedSecret).toString('base64url') },
  },
} as const
type Algorithm = keyof typeof keys
const algorithms = Object.keys(keys) as Algorithm[]
const assertionIssuer = (algorithm: Algorithm) => `https://${algorithm.toLowerCase()}.example`

describe.skipIf('missing' in python)('missing' in python ? `authlib (${python.missing})` : 'authlib', () => {
  let authlib: Authlib
  let keeper: Keeper
  let before = 0
  beforeAll(async () => {
    authlib = await startAuthlib((python as { found: string }).found, {
      clientKey: clientKey.publicKey.export({ format: 'jwk' }),
      assertionKeys: Object.fromEntries(
        algorithms.map((algorithm) => [assertionIssuer(algorithm), keys[algorithm].publicKey]),
      ),
      lifetime: 60,
    })
  })
  afterAll(() => authlib?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    before = authlib.requests().length
    const folder = mkdtempSync(join(tmpdir(), 'evertoken-authlib-'))
    const opened = await Keeper.open({ store: sqliteStore(join(folder, 'tokens.db')) })
    keeper = opened
    onTestFinished(async () => {
      await opened.close()
      rmSync(folder, { recursive: true })
    })
  })

  const seen = (): readonly TokenRequest[] => authlib.requests().slice(before)
  const robot = (
    algorithm: Algorithm,
    assertion: Partial<JwtBearerOptions['assertion']> = {},
  ): GrantDefinition =>
    jwtBearer({
      issuer: authlib.issuer,
      scope: 'read',
      assertion: {
        issuer: assertionIssuer(algorithm),
        subject: 'alice',
        key: { algorithm, key: keys[algorithm].key },
        ...assertion,
      },
    })

  describe('JWT bearer', () => {
    test.each(algorithms)('with an assertion signed by %s, a new one for each token', async (algorithm) => {
      await keeper.add('robot', robot(algorithm))
      const first = await keeper.getToken('robot')
      expect(await authlib.introspect(first.value)).toMatchObject({ active: true, scope: 'read' })
      expect(first).toMatchObject({ type: 'Bearer', scope: ['read'], generation: 1 })
      const second = await keeper.refresh('robot')
      expect(second.generation).toBe(2)
      expect(await authlib.introspect(second.value)).toMatchObject({ active: true })
      const requests = seen()
      const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
      expect(requests).toMatchObject([
        { grantType, outcome: 'success', issued: null },
        { grantType, outcome: 'success', issued: null },
      ])
      expect(new Set(requests.map(({ assertion }) => assertion)).size).toBe(2)
    })

    test.each<[what: string, Partial<JwtBearerOptions['assertion']>]>([
      ['an audience that is not the token endpoint', { audience: 'https://elsewhere.example' }],
      ['a subject that nobody knows', { subject: 'mallory' }],
      [
        'a key that the provider does not know',
        { key: { algorithm: 'ES256', key: pkcs8(clientKey.privateKey) } },
      ],
      ['an assertion that has expired', { claims: { exp: 1 } }],
    ])('refuses %s as invalid_grant, and goes on with the right one', async (_, wrong) => {
      await keeper.add('robot', robot('ES256', wrong))
      await expect(keeper.getToken('robot')).rejects.toMatchObject({
        name: 'InvalidGrantError',
        code: 'invalid_grant',
        error: 'invalid_grant',
        status: 400,
      })
      expect((await keeper.show('robot')).state).toBe('suspect')
      expect((await keeper.ensure('robot', robot('ES256'))).state).toBe('active')
      expect(await authlib.introspect((await keeper.getToken('robot')).value)).toMatchObject({
        active: true,
      })
      expect(seen().map(({ error, outcome }) => error ?? outcome)).toEqual(['invalid_grant', 'success'])
    })
  })

  describe('client credentials', () => {
    const signingKey = { algorithm: 'ES256', key: pkcs8(clientKey.privateKey) } as const
    test.each([
      ['client_secret_basic', () => ({ clientId: 'web', clientSecret: 'web-secret' })],
      [
        'client_secret_post',
        () => ({
          clientId: 'post',
          clientSecret: 'post-secret',
          clientAuthentication: 'client_secret_post' as const,
        }),
      ],
      [
        'private_key_jwt for the token endpoint',
        () => ({ clientId: 'signs', signingKey, clientAssertionAudience: authlib.tokenEndpoint }),
      ],
    ])('with %s', async (_, client) => {
      await keeper.add('job', clientCredentials({ ...client(), issuer: authlib.issuer, scope: 'read' }))
      const token = await keeper.getToken('job')
      expect(await authlib.introspect(token.value)).toMatchObject({
        active: true,
        client_id: client().clientId,
      })
    })

    test('with private_key_jwt for the issuer it is refused, which clientAssertionAudience mends', async () => {
      const client = { clientId: 'signs', signingKey, issuer: authlib.issuer, scope: 'read' }
      await keeper.add('job', clientCredentials(client))
      await expect(keeper.getToken('job')).rejects.toMatchObject({ code: 'invalid_client' })
      await keeper.ensure(
        'job',
        clientCredentials({ ...client, clientAssertionAudience: authlib.tokenEndpoint }),
      )
      expect((await keeper.getToken('job')).generation).toBe(1)
      expect(seen().map(({ error, outcome }) => error ?? outcome)).toEqual(['invalid_client', 'success'])
    })

    test('with private_key_jwt and no issuer the token endpoint is the audience by itself', async () => {
      const { tokenEndpoint: tokenUrl } = authlib
      await keeper.add('job', clientCredentials({ clientId: 'signs', signingKey, tokenUrl, scope: 'read' }))
      expect(await authlib.introspect((await keeper.getToken('job')).value)).toMatchObject({ active: true })
    })
  })

  test('an authorization code, found by RFC 8414 metadata alone, and ten refreshes that each spend the newest token', async () => {
    const openid = await fetch(`${authlib.issuer}/.well-known/openid-configuration`)
    expect(openid.status).toBe(404)
    await keeper.add(
      'work',
      authorizationCode({
        issuer: authlib.issuer,
        clientId: 'web',
        clientSecret: 'web-secret',
        scope: ['read', 'write'],
      }),
    )
    const { url } = await keeper.beginConsent('work', { redirectUri: 'http://127.0.0.1/callback' })
    await keeper.finishConsent(await authlib.consent(url))
    const first = await keeper.getToken('work')
    expect(await authlib.introspect(first.value)).toMatchObject({ active: true, scope: 'read write' })
    for (let generation = 2; generation <= 11; generation++) {
      const token = await keeper.refresh('work')
      expect(token.generation).toBe(generation)
      expect(await authlib.introspect(token.value)).toMatchObject({ active: true, client_id: 'web' })
    }
    // This server ends the old access token at once: nobody is served it any more.
    expect(await authlib.introspect(first.value)).toMatchObject({ active: false })
    const requests = seen()
    expect(requests.every(({ outcome }) => outcome === 'success')).toBe(true)
    expect(requests.slice(1).map(({ spent }) => spent)).toEqual(
      requests.slice(0, -1).map(({ issued }) => issued),
    )
    expect(new Set(requests.map(({ issued }) => issued)).size).toBe(11)
  })
})
