import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { deviceCodeGrant, requestDeviceAuthorization } from '../../src/oauth/device-authorization.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { rawServer, wireForTest } from './servers.ts'

const client: ClientRegistration = {
  provider: { kind: 'issuer', issuer: 'https://provider.example' },
  clientId: 'client-1',
  authentication: { method: 'none' },
  insecureHttp: false,
}
const server: ServerMetadata = {
  tokenEndpoint: 'https://provider.example/token',
  deviceAuthorizationEndpoint: 'https://provider.example/device_authorization?tenant=1',
}
const deviceCode = 'GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS'
/** The answer of RFC 8628 section 3.2. */
const example = {
  device_code: deviceCode,
  user_code: 'WDJB-MJHT',
  verification_uri: 'https://example.com/device',
  verification_uri_complete: 'https://example.com/device?user_code=WDJB-MJHT',
  expires_in: 1800,
  interval: 5,
}

/** Begins at a provider that answers just so. */
const answerTo = (body: string | object, status = 200, by: Partial<ClientRegistration> = {}) =>
  requestDeviceAuthorization(
    server,
    { ...client, ...by },
    {},
    wireForTest({
      transport: async () => ({
        status,
        headers: { 'retry-after': '7' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    }),
  )

/** What is read of the example with other members; one that is undefined is left out. */
const begun = async (change: object, by: Partial<ClientRegistration> = {}) => {
  const answer = await answerTo({ ...example, ...change }, 200, by)
  return answer.kind === 'begun' ? answer.authorization : answer
}

test('the request is the one of RFC 8628, from a client that proves itself', async () => {
  const requests: WireRequest[] = []
  const secret = new Secret('client-secret-1')
  await requestDeviceAuthorization(
    server,
    { ...client, authentication: { method: 'client_secret_basic', secret } },
    {
      scope: ['read', 'write'],
      resource: ['https://one.example', 'https://two.example'],
      parameters: { audience: 'api', scope: 'evil' },
    },
    wireForTest({
      transport: async (request) => {
        requests.push(request)
        return { status: 200, headers: {}, body: JSON.stringify(example) }
      },
    }),
  )
  expect(requests).toMatchObject([
    {
      method: 'POST',
      url: server.deviceAuthorizationEndpoint,
      headers: {
        authorization: `Basic ${btoa('client-1:client-secret-1')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
    },
  ])
  expect([...new URLSearchParams(requests[0]?.body)].sort()).toEqual([
    ['audience', 'api'],
    ['client_id', 'client-1'],
    ['resource', 'https://one.example'],
    ['resource', 'https://two.example'],
    ['scope', 'read write'],
  ])
})

test('a public client names itself', async () => {
  let body = ''
  const transport = async (request: WireRequest) => {
    body = request.body ?? ''
    return { status: 200, headers: {}, body: JSON.stringify(example) }
  }
  await requestDeviceAuthorization(server, client, {}, wireForTest({ transport }))
  expect(body).toBe('client_id=client-1')
  await deviceCodeGrant(server, client, { deviceCode: new Secret(deviceCode) }, wireForTest({ transport }))
  expect(Object.fromEntries(new URLSearchParams(body))).toEqual({
    client_id: 'client-1',
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: deviceCode,
  })
})

test('the answer of the RFC is read; the device code shows itself nowhere', async () => {
  const answer = await answerTo(example)
  expect(answer).toEqual({
    kind: 'begun',
    authorization: {
      deviceCode: expect.any(Secret),
      userCode: 'WDJB-MJHT',
      verificationUri: 'https://example.com/device',
      verificationUriComplete: 'https://example.com/device?user_code=WDJB-MJHT',
      expiresIn: 1800,
      interval: 5,
    },
  })
  expect(answer.kind === 'begun' && answer.authorization.deviceCode.reveal()).toBe(deviceCode)
  expect(inspect(answer, { depth: 9 }) + JSON.stringify(answer)).not.toContain(deviceCode.slice(0, 12))
})

test.each([
  ['no interval is five seconds', { interval: undefined }, { interval: 5 }],
  ['an interval of zero too', { interval: 0 }, { interval: 5 }],
  ['an interval that is none too', { interval: 'soon' }, { interval: 5 }],
  ['seconds may be text', { interval: '10', expires_in: '900' }, { interval: 10, expiresIn: 900 }],
  ['an interval of a year is five minutes', { interval: 31_536_000 }, { interval: 300 }],
  ['a life of a year is a day', { expires_in: 31_536_000 }, { expiresIn: 86_400 }],
  [
    'the name of a draft is understood',
    { verification_uri: undefined, verification_url: 'https://www.google.example/device' },
    { verificationUri: 'https://www.google.example/device' },
  ],
  [
    'a loopback address may be plain http',
    { verification_uri: 'http://127.0.0.1:8080/device' },
    { verificationUri: 'http://127.0.0.1:8080/device' },
  ],
  [
    'what hides in an address is spelled out',
    { verification_uri: 'https://example.com/\u202eecived\u001b[2J' },
    { verificationUri: 'https://example.com/%E2%80%AEecived%1B[2J' },
  ],
])('%s', async (_name, change, read) => {
  expect(await begun(change)).toMatchObject(read)
})

test.each([
  'http://example.com/device?user_code=WDJB-MJHT',
  'javascript:alert(1)',
  `https://example.com/${'a'.repeat(2048)}`,
  7,
])('a complete address %s is left out', async (verification_uri_complete) => {
  const authorization = await begun({ verification_uri_complete })
  expect(authorization).toMatchObject({ userCode: 'WDJB-MJHT' })
  expect(authorization).not.toHaveProperty('verificationUriComplete')
})

test.each([
  ['no device code', { device_code: undefined }, 'device_code'],
  ['a device code with a line break', { device_code: 'a\nb' }, 'device_code'],
  ['a device code of 1 MiB', { device_code: 'a'.repeat(1 << 20) }, 'device_code'],
  ['no user code', { user_code: undefined }, 'user_code'],
  ['a user code of 65 characters', { user_code: 'A'.repeat(65) }, 'user_code'],
  ['a user code that clears the screen', { user_code: '\u001b[2JWDJB' }, 'user_code'],
  ['a user code that is read from the right', { user_code: '\u202eTHJM' }, 'user_code'],
  ['a user code of spaces', { user_code: '   ' }, 'user_code'],
  ['no address', { verification_uri: undefined }, 'verification_uri'],
  ['plain http to another host', { verification_uri: 'http://example.com/device' }, 'verification_uri'],
  ['an address with a name in it', { verification_uri: 'https://bank@evil.example' }, 'verification_uri'],
  ['a script', { verification_uri: 'javascript:alert(1)' }, 'verification_uri'],
  ['no lifetime', { expires_in: undefined }, 'expires_in'],
  ['a lifetime below zero', { expires_in: -1 }, 'expires_in'],
])('%s is unusable', async (_name, change, member) => {
  expect(await begun(change)).toEqual({ kind: 'unusable', status: 200, member })
})

test('plain http to another host is allowed to a client that may use it', async () => {
  const uri = { verification_uri: 'http://sso.intranet/device' }
  expect(await begun(uri, { insecureHttp: true })).toMatchObject({
    verificationUri: 'http://sso.intranet/device',
  })
})

test('an error comes in the provider’s words, with when to ask again', async () => {
  expect(await answerTo({ error: 'invalid_client', error_description: 'who\u001b are you' }, 401)).toEqual({
    kind: 'error',
    status: 401,
    error: 'invalid_client',
    description: 'who  are you',
    retryAfter: 7,
  })
})

test.each([
  ['a web page', '<html>', 200],
  ['a list', [], 200],
  ['an error without words', '', 404],
  ['a redirect', '', 302],
])('%s is unusable', async (_name, body, status) => {
  expect(await answerTo(body, status)).toEqual({ kind: 'unusable', status })
})

test('without an endpoint nothing is sent', async () => {
  const transport = async (): Promise<never> => {
    throw new Error('sent')
  }
  expect(
    await requestDeviceAuthorization(
      { tokenEndpoint: server.tokenEndpoint },
      client,
      {},
      wireForTest({ transport }),
    ),
  ).toEqual({ kind: 'unsupported' })
})

test('neither request goes over plain http to another host', async () => {
  const plain: ServerMetadata = {
    tokenEndpoint: 'http://provider.example/token',
    deviceAuthorizationEndpoint: 'http://provider.example/device',
  }
  const refused = { kind: 'silence', sent: false, reason: 'insecure_http' }
  expect(await requestDeviceAuthorization(plain, client, {}, wireForTest())).toMatchObject(refused)
  expect(
    await deviceCodeGrant(plain, client, { deviceCode: new Secret(deviceCode) }, wireForTest()),
  ).toMatchObject(refused)
})

test('a provider that breaks off, or quotes the device code, shows none of it', async () => {
  const broken = await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"dev'))
  const cut = { ...server, deviceAuthorizationEndpoint: `${broken}/device` }
  expect(await requestDeviceAuthorization(cut, client, {}, wireForTest())).toEqual({
    kind: 'unusable',
    status: 200,
  })
  const body = JSON.stringify({ error: 'expired_token', error_description: `${deviceCode} is too old` })
  expect(
    await deviceCodeGrant(
      server,
      client,
      { deviceCode: new Secret(deviceCode) },
      wireForTest({ transport: async () => ({ status: 400, headers: {}, body }) }),
    ),
  ).toEqual({
    kind: 'error',
    status: 400,
    error: 'expired_token',
    description: '[secret] is too old',
  })
})
