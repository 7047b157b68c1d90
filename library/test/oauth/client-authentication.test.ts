import { createSecretKey } from 'node:crypto'
import { decodeJwt, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import type { ClientAuthentication, ServerMetadata } from '../../src/oauth/client.ts'
import { clientCredentialsGrant } from '../../src/oauth/client-credentials.ts'
import { jwtBearerGrant } from '../../src/oauth/jwt-bearer.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { pem, signingKey, testKeys } from './keys.ts'
import { wireForTest } from './servers.ts'

const now = 1_800_000_000
const withIssuer: ServerMetadata = {
  issuer: 'https://provider.example',
  tokenEndpoint: 'https://provider.example/token',
}

/** The one request that a client sends: its Authorization header and its parameters. */
async function sentBy(
  authentication: ClientAuthentication,
  { clientId = 'client-1', server = withIssuer }: { clientId?: string; server?: ServerMetadata } = {},
) {
  const { transport, requests } = recording()
  const provider = { kind: 'endpoints', metadata: server } as const
  const client = { provider, clientId, authentication, insecureHttp: false }
  const answer = await clientCredentialsGrant(server, client, {}, wireForTest({ transport }))
  expect(answer.kind).toBe('tokens')
  return seen(requests)
}

function recording() {
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    return { status: 200, headers: {}, body: '{"access_token":"at"}' }
  }
  return { transport, requests }
}

function seen(requests: WireRequest[]) {
  expect(requests).toHaveLength(1)
  const [request] = requests
  const parameters = Object.fromEntries(new URLSearchParams(request!.body))
  delete parameters.grant_type
  return { authorization: request!.headers.authorization, parameters }
}

test('none sends the client id only', async () => {
  expect(await sentBy({ method: 'none' })).toEqual({
    authorization: undefined,
    parameters: { client_id: 'client-1' },
  })
})

test('client_secret_post sends id and secret in the body', async () => {
  expect(await sentBy({ method: 'client_secret_post', secret: new Secret('s&=+ ä') })).toEqual({
    authorization: undefined,
    parameters: { client_id: 'client-1', client_secret: 's&=+ ä' },
  })
})

test.each([
  ['client-1', 'secret', 'client-1:secret'],
  ['4e9c-11.a_b*', 'x-y', '4e9c-11.a_b*:x-y'],
  ['a:b', 'c d+e%&ä/~', 'a%3Ab:c+d%2Be%25%26%C3%A4%2F%7E'],
])(
  'client_secret_basic of %s and %s is form-encoded (RFC 6749 section 2.3.1)',
  async (clientId, secret, text) => {
    expect(await sentBy({ method: 'client_secret_basic', secret: new Secret(secret) }, { clientId })).toEqual(
      {
        authorization: `Basic ${btoa(text)}`,
        parameters: {},
      },
    )
  },
)

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const claims = (aud: string) => ({
  iss: 'client-1',
  sub: 'client-1',
  aud,
  iat: now,
  nbf: now,
  exp: now + 60,
  jti: expect.stringMatching(/^[\w-]{43}$/),
})

test('client_secret_jwt signs with the secret, for the issuer', async () => {
  const secret = 'a-client-secret-of-many-characters'
  const { parameters } = await sentBy({ method: 'client_secret_jwt', secret: new Secret(secret) })
  expect(parameters).toMatchObject({ client_id: 'client-1', client_assertion_type: assertionType })
  const key = createSecretKey(Buffer.from(secret))
  const { payload } = await jwtVerify(parameters.client_assertion!, key, {
    currentDate: new Date(now * 1000),
  })
  expect(payload).toEqual(claims('https://provider.example'))
})

test.each(['RS256', 'ES256', 'EdDSA'] as const)(
  'private_key_jwt signs with %s and names the key',
  async (alg) => {
    const { parameters } = await sentBy({
      method: 'private_key_jwt',
      key: signingKey(alg, undefined, 'key-7'),
    })
    expect(parameters).toMatchObject({ client_id: 'client-1', client_assertion_type: assertionType })
    const { payload, protectedHeader } = await jwtVerify(
      parameters.client_assertion!,
      testKeys[alg].publicKey,
      {
        currentDate: new Date(now * 1000),
      },
    )
    expect(protectedHeader).toEqual({ alg, kid: 'key-7' })
    expect(payload).toEqual(claims('https://provider.example'))
  },
)

test('the audience is the token endpoint without an issuer, and whatever is set', async () => {
  const server = { tokenEndpoint: 'https://provider.example/token' }
  const key = signingKey('ES256')
  const plain = await sentBy({ method: 'private_key_jwt', key }, { server })
  expect(decodeJwt(plain.parameters.client_assertion!).aud).toBe('https://provider.example/token')
  const audience = 'https://audience.example'
  const set = await sentBy({ method: 'private_key_jwt', key, audience })
  expect(decodeJwt(set.parameters.client_assertion!).aud).toBe(audience)
  const secret = await sentBy({ method: 'client_secret_jwt', secret: new Secret('s'), audience })
  expect(decodeJwt(secret.parameters.client_assertion!).aud).toBe(audience)
})

test.each([
  ['issuer', 'https://provider.example'],
  ['token_endpoint', 'https://provider.example/token'],
  ['https://other.example', 'https://other.example'],
  [['issuer'], 'https://provider.example'],
  [
    ['issuer', 'token_endpoint'],
    ['https://provider.example', 'https://provider.example/token'],
  ],
  [
    ['urn:a', 'issuer', 'urn:a', 'https://provider.example'],
    ['urn:a', 'https://provider.example'],
  ],
])('an audience of %j is %j', async (audience, aud) => {
  const { parameters } = await sentBy({ method: 'private_key_jwt', key: signingKey('ES256'), audience })
  expect(decodeJwt(parameters.client_assertion!).aud).toEqual(aud)
})

test('an audience that is the issuer needs one', async () => {
  const server = { tokenEndpoint: 'https://provider.example/token' }
  const authentication = { method: 'client_secret_jwt', secret: new Secret('s'), audience: 'issuer' } as const
  await expect(sentBy(authentication, { server })).rejects.toMatchObject({ code: 'invalid_configuration' })
})

test.each([
  ['HS256', signingKey('HS256')],
  ['a key of another kind', signingKey('ES256', pem(testKeys.RS256.privateKey))],
])('private_key_jwt with %s is invalid_configuration', async (_name, key) => {
  await expect(sentBy({ method: 'private_key_jwt', key })).rejects.toMatchObject({
    code: 'invalid_configuration',
  })
})

test('a JWT bearer grant carries a fresh assertion, beside client authentication or without any', async () => {
  const assertion = { issuer: 'service-1', audience: 'https://provider.example', key: signingKey('RS256') }
  const provider = { kind: 'endpoints', metadata: withIssuer } as const
  const { transport, requests } = recording()
  const wire = wireForTest({ transport })
  const anonymous = {
    provider,
    clientId: '',
    authentication: { method: 'none' },
    insecureHttp: false,
  } as const
  await jwtBearerGrant(withIssuer, anonymous, { assertion, scope: ['a', 'b'] }, wire)
  await jwtBearerGrant(withIssuer, { ...anonymous, clientId: 'client-1' }, { assertion }, wire)
  const [first, second] = requests.map((request) => Object.fromEntries(new URLSearchParams(request.body)))
  expect(first).toEqual({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    scope: 'a b',
    assertion: expect.any(String),
  })
  expect(second!.client_id).toBe('client-1')
  expect(second!.assertion).not.toBe(first!.assertion)
  const { payload } = await jwtVerify(first!.assertion!, testKeys.RS256.publicKey, {
    currentDate: new Date(now * 1000),
  })
  expect(payload.iss).toBe('service-1')
})
