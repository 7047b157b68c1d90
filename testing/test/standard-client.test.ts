import * as oauth from 'oauth4webapi'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { redirectUri } from './requests.ts'

// A strict client that knows nothing of us: what it accepts follows the RFCs.
const plain = { [oauth.allowInsecureRequests]: true }

let server: PracticeServer
let metadata: oauth.AuthorizationServer
beforeEach(async () => {
  const keys = await oauth.generateKeyPair('ES256', { extractable: true })
  signingKey = keys.privateKey
  server = await startPracticeServer({
    clients: [
      {
        clientId: 'signer',
        authentication: {
          method: 'private_key_jwt',
          algorithm: 'ES256',
          key: await crypto.subtle.exportKey('jwk', keys.publicKey),
        },
        redirectUris: [redirectUri],
        grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
      },
      { clientId: 'basic', authentication: { method: 'client_secret_basic', secret: 'a b:c+d' } },
      { clientId: 'hmac', authentication: { method: 'client_secret_jwt', secret: 'x'.repeat(32) } },
    ],
  })
  const issuer = new URL(server.issuer)
  const found = await oauth.discoveryRequest(issuer, { ...plain, algorithm: 'oauth2' })
  metadata = await oauth.processDiscoveryResponse(issuer, found)
})
afterEach(() => server.stop())

let signingKey: oauth.CryptoKey
const client = { client_id: 'signer' }
const signed = () => oauth.PrivateKeyJwt(signingKey)

test('a login lives its whole life: consent, code, refresh, introspection, revocation', async () => {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(metadata.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id: 'signer',
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'read',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }).toString()
  const returned = new URL(await server.consent(url, { subject: 'ann' }))
  const parameters = oauth.validateAuthResponse(metadata, client, returned, state)
  const exchanged = await oauth.authorizationCodeGrantRequest(
    metadata,
    client,
    signed(),
    parameters,
    redirectUri,
    verifier,
    plain,
  )
  const first = await oauth.processAuthorizationCodeResponse(metadata, client, exchanged)
  const refreshed = await oauth.refreshTokenGrantRequest(
    metadata,
    client,
    signed(),
    first.refresh_token ?? '',
    plain,
  )
  const second = await oauth.processRefreshTokenResponse(metadata, client, refreshed)
  expect(second).toMatchObject({ token_type: 'bearer', expires_in: 300, scope: 'read' })
  expect(second.refresh_token).not.toBe(first.refresh_token)

  const introspect = async () =>
    oauth.processIntrospectionResponse(
      metadata,
      client,
      await oauth.introspectionRequest(metadata, client, signed(), second.access_token, plain),
    )
  expect(await introspect()).toMatchObject({ active: true, sub: 'ann', client_id: 'signer' })
  const revoked = await oauth.revocationRequest(metadata, client, signed(), second.refresh_token ?? '', plain)
  await oauth.processRevocationResponse(revoked)
  expect(await introspect()).toEqual({ active: false })
})

test.each([
  ['basic', () => oauth.ClientSecretBasic('a b:c+d')],
  ['hmac', () => oauth.ClientSecretJwt('x'.repeat(32))],
  ['signer', signed],
])('client credentials with the authentication of %s', async (client_id, authentication) => {
  const answer = await oauth.clientCredentialsGrantRequest(
    metadata,
    { client_id },
    authentication(),
    new URLSearchParams(),
    plain,
  )
  const tokens = await oauth.processClientCredentialsResponse(metadata, { client_id }, answer)
  const url = new URL('/api/whoami', server.issuer)
  const resource = await oauth.protectedResourceRequest(
    tokens.access_token,
    'GET',
    url,
    undefined,
    null,
    plain,
  )
  expect(await resource.json()).toMatchObject({ client_id, sub: client_id })
})

test('refusals are understood: a wrong secret by its challenge, a dead token by its code', async () => {
  const client = { client_id: 'basic' }
  const wrong = await oauth.clientCredentialsGrantRequest(
    metadata,
    client,
    oauth.ClientSecretBasic('wrong'),
    new URLSearchParams(),
    plain,
  )
  await expect(oauth.processClientCredentialsResponse(metadata, client, wrong)).rejects.toMatchObject({
    cause: [{ scheme: 'basic', parameters: { realm: 'practice server' } }],
  })
  const dead = await oauth.refreshTokenGrantRequest(
    metadata,
    { client_id: 'signer' },
    signed(),
    'unknown',
    plain,
  )
  await expect(
    oauth.processRefreshTokenResponse(metadata, { client_id: 'signer' }, dead),
  ).rejects.toMatchObject({ error: 'invalid_grant', status: 400 })
})
