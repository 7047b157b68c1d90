import { type PracticeServer, startPracticeServer } from '@evertoken/testing'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import {
  authorizationCodeGrant,
  authorizationRequest,
  readCallback,
} from '../../src/oauth/authorization-code.ts'
import type {
  AssertionAudience,
  ClientAuthentication,
  ClientRegistration,
  ServerMetadata,
} from '../../src/oauth/client.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import { discover } from '../../src/oauth/discovery.ts'
import { jwtBearerGrant } from '../../src/oauth/jwt-bearer.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import type { TokenAnswer, TokenResponse } from '../../src/oauth/token-answer.ts'
import type { Wire } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { jwk, signingKey, testKeys } from './keys.ts'
import { wireForTest } from './servers.ts'

const publicJwk = (algorithm: keyof typeof testKeys) =>
  testKeys[algorithm].publicKey.export({ format: 'jwk' })
const algorithms = ['RS256', 'ES256', 'EdDSA'] as const
const redirectUri = 'http://127.0.0.1/callback'

let practice: PracticeServer
let metadata: ServerMetadata
let wire: Wire

beforeEach(async () => {
  practice = await startPracticeServer({
    clients: [
      {
        clientId: 'basic-client',
        authentication: { method: 'client_secret_basic', secret: 'a b+c/ä:%' },
        grantTypes: ['client_credentials', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      },
      { clientId: 'post-client', authentication: { method: 'client_secret_post', secret: 'a b+c/ä:%' } },
      {
        clientId: 'jwt-client',
        authentication: { method: 'client_secret_jwt', secret: 'a-secret-of-at-least-32-characters' },
      },
      ...algorithms.map((algorithm) => ({
        clientId: `key-client-${algorithm}`,
        authentication: { method: 'private_key_jwt', algorithm, key: publicJwk(algorithm) } as const,
      })),
      {
        clientId: 'app',
        authentication: { method: 'none' },
        redirectUris: [redirectUri],
        grantTypes: ['authorization_code', 'refresh_token'],
      },
    ],
    assertionIssuers: [{ issuer: 'issuer-1', algorithm: 'ES256', key: publicJwk('ES256') }],
  })
  wire = wireForTest({ now: Date.now })
  metadata = await discover(practice.issuer, { insecureHttp: false }, wire)
})
afterEach(() => practice.stop())

const client = (clientId: string, authentication: ClientAuthentication): ClientRegistration => ({
  provider: { kind: 'issuer', issuer: practice.issuer },
  clientId,
  authentication,
  insecureHttp: false,
})

function tokens(answer: TokenAnswer): TokenResponse {
  if (answer.kind !== 'tokens') throw new Error(JSON.stringify(answer))
  expect(practice.introspect(answer.response.accessToken.reveal()).active).toBe(true)
  return answer.response
}

const methods: readonly (readonly [string, ClientAuthentication])[] = [
  ['basic-client', { method: 'client_secret_basic', secret: new Secret('a b+c/ä:%') }],
  ['post-client', { method: 'client_secret_post', secret: new Secret('a b+c/ä:%') }],
  ['jwt-client', { method: 'client_secret_jwt', secret: new Secret('a-secret-of-at-least-32-characters') }],
  ...algorithms.map(
    (algorithm) =>
      [
        `key-client-${algorithm}`,
        { method: 'private_key_jwt', key: signingKey(algorithm, jwk(testKeys[algorithm].privateKey)) },
      ] as const,
  ),
]

test.each(methods)('a strict server accepts the authentication of %s', async (clientId, authentication) => {
  const answer = await clientCredentialsGrant(
    metadata,
    client(clientId, authentication),
    { scope: ['read'] },
    wire,
  )
  expect(tokens(answer)).toMatchObject({ tokenType: 'Bearer', expiresIn: expect.any(Number) })
})

test('a server that wants its issuer alone as the audience gets it without a word, and refuses a list', async () => {
  const strict = await startPracticeServer({
    issuerAudienceOnly: true,
    clients: [
      {
        clientId: 'c',
        authentication: { method: 'private_key_jwt', algorithm: 'ES256', key: publicJwk('ES256') },
      },
    ],
  })
  onTestFinished(() => strict.stop())
  const server = await discover(strict.issuer, { insecureHttp: false }, wire)
  const ask = async (audience?: AssertionAudience) => {
    const authentication = { method: 'private_key_jwt', key: signingKey('ES256'), audience } as const
    const answer = await clientCredentialsGrant(server, client('c', authentication), {}, wire)
    return answer.kind === 'error' ? answer.error : answer.kind
  }
  expect(await ask()).toBe('tokens')
  expect(await ask('issuer')).toBe('tokens')
  expect(await ask(['issuer'])).toBe('tokens')
  expect(await ask('token_endpoint')).toBe('invalid_client')
  expect(await ask(['issuer', 'token_endpoint'])).toBe('invalid_client')
})

test('a server by RFC 7523 takes its token endpoint, or a list with one of its names in it', async () => {
  const ask = async (audience: AssertionAudience) => {
    const key = signingKey('ES256', jwk(testKeys.ES256.privateKey))
    const authentication = { method: 'private_key_jwt', key, audience } as const
    const answer = await clientCredentialsGrant(
      metadata,
      client('key-client-ES256', authentication),
      {},
      wire,
    )
    return answer.kind === 'error' ? answer.error : answer.kind
  }
  expect(await ask('token_endpoint')).toBe('tokens')
  expect(await ask(['urn:another', 'issuer'])).toBe('tokens')
  expect(await ask('urn:another')).toBe('invalid_client')
})

test('a strict server refuses a wrong secret as invalid_client, and the secret is nowhere in the answer', async () => {
  const authentication = { method: 'client_secret_basic', secret: new Secret('wrong-secret') } as const
  const answer = await clientCredentialsGrant(metadata, client('basic-client', authentication), {}, wire)
  expect(answer).toMatchObject({ kind: 'error', status: 401, error: 'invalid_client' })
  expect(JSON.stringify(answer)).not.toContain('wrong-secret')
})

test('consent, exchange, refresh, and a replay that ends the login', async () => {
  const app = client('app', { method: 'none' })
  const request = await authorizationRequest(metadata, app, { redirectUri, scope: ['read'] })
  const callback = new URL(await practice.consent(request.url))
  expect(metadata.authorizationResponseIssSupported).toBe(true)
  const { code } = readCallback(metadata, callback, request.state)
  const exchange = { code, redirectUri, codeVerifier: request.codeVerifier }
  const first = tokens(await authorizationCodeGrant(metadata, app, exchange, wire))
  const refreshToken = first.refreshToken as Secret
  const second = tokens(await refreshTokenGrant(metadata, app, { refreshToken }, wire))
  expect(second.refreshToken?.reveal()).not.toBe(refreshToken.reveal())
  const replay = await refreshTokenGrant(metadata, app, { refreshToken }, wire)
  expect(replay).toMatchObject({ kind: 'error', status: 400, error: 'invalid_grant' })
  expect(practice.introspect(second.accessToken.reveal()).active).toBe(false)
})

test('a denied consent is consent_denied', async () => {
  const request = await authorizationRequest(metadata, { clientId: 'app' }, { redirectUri })
  const callback = new URL(await practice.consent(request.url, { deny: true }))
  expect(() => readCallback(metadata, callback, request.state)).toThrow(
    expect.objectContaining({ code: 'consent_denied', error: 'access_denied' }),
  )
})

test('a strict server accepts the assertion of a JWT bearer grant', async () => {
  const assertion = {
    issuer: 'issuer-1',
    subject: 'person-1',
    audience: metadata.tokenEndpoint,
    key: signingKey('ES256'),
  }
  const [, authentication] = methods[0]!
  const answer = await jwtBearerGrant(metadata, client('basic-client', authentication), { assertion }, wire)
  expect(tokens(answer).tokenType).toBe('Bearer')
})
