import { expect, test } from 'vitest'
import { authorizationRequest } from '../../src/oauth/authorization-code.ts'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { pushAuthorizationRequest } from '../../src/oauth/pushed-authorization.ts'
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
  authorizationEndpoint: 'https://provider.example/authorize?tenant=1',
  pushedAuthorizationRequestEndpoint: 'https://provider.example/par?tenant=1',
}
const redirectUri = 'http://127.0.0.1:7420/oauth/callback'
/** The answer of RFC 9126 section 2.2. */
const example = {
  request_uri: 'urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c',
  expires_in: 60,
}

/** Pushes to a provider that answers just so. */
const answerTo = async (body: string | object, status = 201) =>
  pushAuthorizationRequest(
    server,
    client,
    await authorizationRequest(server, client, {
      redirectUri,
      parameters: { login_hint: 'person@corp.example' },
    }),
    wireForTest({
      transport: async () => ({
        status,
        headers: { 'retry-after': '7' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    }),
  )

test('all that the URL would carry is pushed, by a client that proves itself; the URL refers to it', async () => {
  const requests: WireRequest[] = []
  const secret = new Secret('client-secret-1')
  const request = await authorizationRequest(server, client, {
    redirectUri,
    scope: ['read', 'write'],
    resource: ['https://one.example', 'https://two.example'],
    parameters: { prompt: 'consent' },
  })
  const answer = await pushAuthorizationRequest(
    server,
    { ...client, authentication: { method: 'client_secret_basic', secret } },
    request,
    wireForTest({
      transport: async (sent) => {
        requests.push(sent)
        return { status: 201, headers: {}, body: JSON.stringify(example) }
      },
    }),
  )
  expect(requests).toMatchObject([
    {
      method: 'POST',
      url: server.pushedAuthorizationRequestEndpoint,
      headers: {
        authorization: `Basic ${btoa('client-1:client-secret-1')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
    },
  ])
  const carried = new URL(request.url).searchParams
  carried.delete('tenant')
  expect([...new URLSearchParams(requests[0]?.body)].sort()).toEqual([...carried].sort())
  expect(carried.get('state')).toBe(request.state)
  expect(answer).toEqual({
    kind: 'pushed',
    url: `https://provider.example/authorize?tenant=1&${new URLSearchParams({ client_id: 'client-1', request_uri: example.request_uri })}`,
    expiresIn: 60,
  })
})

test.each([
  ['a life in text', { expires_in: '90' }, { expiresIn: 90 }],
  ['a life of a year is a day', { expires_in: 31_536_000 }, { expiresIn: 86_400 }],
  [
    'a reference cannot add parameters',
    { request_uri: 'urn:x:1&redirect_uri=https://evil.example#' },
    {
      url: 'https://provider.example/authorize?tenant=1&client_id=client-1&request_uri=urn%3Ax%3A1%26redirect_uri%3Dhttps%3A%2F%2Fevil.example%23',
    },
  ],
])('%s', async (_name, change, read) => {
  expect(await answerTo({ ...example, ...change })).toMatchObject({ kind: 'pushed', ...read })
})

test('some providers say 200', async () => {
  expect(await answerTo(example, 200)).toMatchObject({ kind: 'pushed' })
})

test.each([
  ['no reference', { request_uri: undefined }, 'request_uri'],
  ['a reference that is no text', { request_uri: { toString: 'x' } }, 'request_uri'],
  ['a reference that is no absolute URI', { request_uri: '6esc_11ACC5bwc014ltc14eY22c' }, 'request_uri'],
  ['a reference with a line break', { request_uri: 'urn:a\r\nb' }, 'request_uri'],
  ['a reference that is read from the right', { request_uri: 'urn:\u202egnp' }, 'request_uri'],
  ['a reference of 1 MiB', { request_uri: `urn:${'a'.repeat(1 << 20)}` }, 'request_uri'],
  ['no lifetime', { expires_in: undefined }, 'expires_in'],
  ['a lifetime of zero', { expires_in: 0 }, 'expires_in'],
  ['a lifetime that is none', { expires_in: 'soon' }, 'expires_in'],
])('%s is unusable', async (_name, change, member) => {
  expect(await answerTo({ ...example, ...change })).toEqual({ kind: 'unusable', status: 201, member })
})

test('an error comes in the provider’s words, with when to ask again, and without what was sent', async () => {
  const body = { error: 'invalid_request', error_description: 'who\u001b is person@corp.example' }
  const answer = await answerTo(body, 400)
  expect(answer).toMatchObject({ kind: 'error', status: 400, error: 'invalid_request', retryAfter: 7 })
  expect(answer.kind === 'error' && answer.description).toMatch(/^who {2}is /)
  expect(JSON.stringify(answer)).not.toContain('person@corp.example')
})

test.each([
  ['a web page', '<html>', 200],
  ['a list', [], 201],
  ['an error without words', '', 404],
  ['a reference with a refusal', example, 400],
  ['a redirect', '', 302],
])('%s is unusable', async (_name, body, status) => {
  expect(await answerTo(body, status)).toEqual({ kind: 'unusable', status })
})

test('an answer without end is unusable, and none is silence', async () => {
  const push = async (endpoint: string) =>
    pushAuthorizationRequest(
      { ...server, pushedAuthorizationRequestEndpoint: endpoint },
      client,
      await authorizationRequest(server, client, { redirectUri }),
      wireForTest({ deadline: 500 }),
    )
  const endless = await rawServer((socket) => {
    socket.write('HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\r\n')
    const more = (): void => {
      if (!socket.destroyed) socket.write('a'.repeat(1 << 16), more)
    }
    more()
  })
  expect(await push(endless)).toEqual({ kind: 'unusable', status: 201 })
  const silent = await rawServer((socket) => socket.destroy())
  expect(await push(silent)).toMatchObject({ kind: 'silence', sent: true })
})

test('nothing leaves without an endpoint, or by plain http', async () => {
  const request = await authorizationRequest(server, client, { redirectUri })
  const wire = wireForTest({
    transport: async () => {
      throw new Error('something left')
    },
  })
  const bare = { ...server, pushedAuthorizationRequestEndpoint: undefined }
  expect(await pushAuthorizationRequest(bare, client, request, wire)).toEqual({ kind: 'unsupported' })
  const plain = { ...server, pushedAuthorizationRequestEndpoint: 'http://provider.example/par' }
  expect(await pushAuthorizationRequest(plain, client, request, wire)).toMatchObject({
    kind: 'silence',
    sent: false,
    reason: 'insecure_http',
  })
})
