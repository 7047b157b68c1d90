import { describe, expect, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { requestDeviceAuthorization } from '../../src/oauth/device-authorization.ts'
import { introspectToken } from '../../src/oauth/introspection.ts'
import { pushAuthorizationRequest } from '../../src/oauth/pushed-authorization.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import { rulesOf, writeRequest } from '../../src/oauth/request-dialect.ts'
import { revokeToken } from '../../src/oauth/revocation.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { loggedTransport } from '../../src/oauth/wire-log.ts'
import type { ProviderDialect } from '../../src/providers/dialect.ts'
import { Secret } from '../../src/secret.ts'
import { httpServer, wireForTest } from './servers.ts'

const server: ServerMetadata = { tokenEndpoint: 'https://provider.example/token' }
const clientSecret = 'client-"secret"/1 ü'
const key = 'subscription\\key-1'
const spent = 'refresh-token"1"'
const clientOf = (dialect: Omit<ProviderDialect, 'id' | 'variables'>): ClientRegistration => ({
  provider: { kind: 'endpoints', metadata: server },
  clientId: 'id-1',
  authentication: { method: 'client_secret_post', secret: new Secret(clientSecret) },
  insecureHttp: false,
  dialect: { id: 'example', variables: { key: new Secret(key) }, ...dialect },
})

/** Every request that leaves, answered with `answer` made of it. */
function transportTo(
  requests: WireRequest[],
  answer: (request: WireRequest) => object = () => ({}),
): Transport {
  return async (request) => {
    requests.push(request)
    return { status: 200, headers: {}, body: JSON.stringify(answer(request)) }
  }
}
const refresh = (client: ClientRegistration, transport?: Transport) =>
  refreshTokenGrant(
    server,
    client,
    { refreshToken: new Secret(spent) },
    wireForTest(transport === undefined ? {} : { transport }),
  )

const dialects: [string, Omit<ProviderDialect, 'id' | 'variables'>][] = [
  ['a form', { requests: { all: { headers: { 'X-Key': '{key}' } } } }],
  [
    'JSON',
    { requests: { all: { body: 'json', parameters: { key: '{key}', both: 'x {key} {client_secret}' } } } },
  ],
  [
    'a query',
    {
      requests: { all: { method: 'GET', parameters: { key: '{key}' }, rename: { client_secret: 'secret' } } },
    },
  ],
]
const shown = /client-|"secret|secret%22|subscription|key-1|refresh-token|token%22|token\\"/

describe('no secret is shown of a request in', () => {
  test.each(dialects)('%s, where the provider quotes it', async (_, dialect) => {
    const quoting = (request: WireRequest) => ({
      error: 'invalid_request',
      error_description: [
        JSON.stringify(request.headers),
        request.body ?? '',
        new URL(request.url).search,
        decodeURIComponent(new URL(request.url).search.replaceAll('+', ' ')),
        clientSecret,
        key,
        spent,
      ].join(' | '),
    })
    const answer = await refresh(clientOf(dialect), transportTo([], quoting))
    if (answer.kind !== 'error') throw new Error(answer.kind)
    expect(answer.description).toContain('[secret]')
    expect(answer.description).not.toMatch(shown)
  })

  test.each(dialects)('%s, in the log of the wire', async (_, dialect) => {
    const lines: string[] = []
    const transport = transportTo([], () => ({
      error: 'x',
      error_description: `${spent} ${key} ${clientSecret}`,
    }))
    await refresh(
      clientOf(dialect),
      loggedTransport(transport, (line) => lines.push(line)),
    )
    expect(lines.join('\n')).toContain('grant_type=refresh_token')
    expect(lines.join('\n')).not.toMatch(shown)
  })

  test('a query, where nobody answers', async () => {
    const gone = await httpServer((request) => request.socket.destroy())
    const dialect = { requests: { refresh: { url: `${gone}/renew`, method: 'GET' } } } as const
    const answer = await refresh(clientOf(dialect))
    if (answer.kind !== 'silence') throw new Error(answer.kind)
    expect(answer).toMatchObject({ sent: true, reason: 'reset' })
    expect(answer.detail).not.toMatch(shown)
  })
})

describe('an address of its own', () => {
  test.each(['http://provider.example/renew', 'http://10.0.0.1/renew'])(
    '%s carries no secret',
    async (url) => {
      const requests: WireRequest[] = []
      const client = clientOf({ requests: { refresh: { url } } })
      expect(await refresh(client, transportTo(requests))).toMatchObject({
        kind: 'silence',
        sent: false,
        reason: 'insecure_http',
      })
      expect(requests).toEqual([])
    },
  )

  test('is that of each operation, also where the provider names no endpoint', async () => {
    const requests: WireRequest[] = []
    const wire = wireForTest({ transport: transportTo(requests) })
    const at = (path: string) => ({ url: `https://api.provider.example/${path}`, body: 'json' }) as const
    const client = clientOf({
      requests: {
        revoke: { ...at('revoke'), rename: { token: 'access' }, parameters: { token_type_hint: null } },
        introspect: at('introspect'),
        device_authorization: { ...at('device'), rename: { client_id: 'app' } },
      },
      consent: { scope_separator: ',', offline_scope: 'offline' },
    })
    const token = { token: new Secret('token-1'), hint: 'refresh_token' } as const
    await revokeToken(server, client, token, wire)
    await introspectToken(server, client, token, wire)
    await requestDeviceAuthorization(server, client, { scope: ['read'] }, wire)
    const who = { client_id: 'id-1', client_secret: clientSecret }
    expect(requests.map(({ url, body }) => [url, JSON.parse(body ?? '')])).toEqual([
      ['https://api.provider.example/revoke', { access: 'token-1', ...who }],
      [
        'https://api.provider.example/introspect',
        { token: 'token-1', token_type_hint: 'refresh_token', ...who },
      ],
      [
        'https://api.provider.example/device',
        { app: 'id-1', client_secret: clientSecret, scope: 'read,offline' },
      ],
    ])
  })
})

test('a pushed authorization request is written already, and has the headers of every request', async () => {
  const requests: WireRequest[] = []
  const client = clientOf({
    requests: {
      all: {
        body: 'json',
        rename: { client_id: 'app' },
        parameters: { a: '1' },
        headers: { 'X-Key': '{key}' },
      },
    },
  })
  await pushAuthorizationRequest(
    {
      ...server,
      authorizationEndpoint: 'https://provider.example/a',
      pushedAuthorizationRequestEndpoint: 'https://provider.example/par',
    },
    client,
    { parameters: new URLSearchParams({ app: 'id-1', state: 's' }) },
    wireForTest({ transport: transportTo(requests) }),
  )
  expect(requests[0]?.headers).toMatchObject({
    'x-key': key,
    'content-type': 'application/x-www-form-urlencoded',
  })
  expect(Object.fromEntries(new URLSearchParams(requests[0]?.body))).toEqual({
    app: 'id-1',
    state: 's',
    client_id: 'id-1',
    client_secret: clientSecret,
  })
})

describe('what is written', () => {
  const dialect: ProviderDialect = {
    id: 'example',
    variables: {},
    requests: {
      all: { body: 'json', parameters: { a: '1', b: '2' }, headers: { 'X-A': '1' }, rename: { x: 'y' } },
      refresh: { method: 'GET', parameters: { b: null }, headers: { 'x-a': '2' }, rename: { z: 'y2' } },
    },
  }

  test('is what stands under the operation over what stands under all', () => {
    expect(rulesOf(dialect, 'revoke')).toBe(dialect.requests?.all)
    expect(rulesOf(dialect, 'refresh')).toEqual({
      method: 'GET',
      body: 'json',
      parameters: { a: '1', b: null },
      headers: { 'X-A': '1', 'x-a': '2' },
      rename: { x: 'y', z: 'y2' },
    })
    expect(rulesOf({ id: 'example', variables: {} }, 'refresh')).toEqual({})
  })

  const client = { clientId: '', authentication: { method: 'none' } } as const
  const write = (requests: ProviderDialect['requests'], body: [string, string][]) =>
    writeRequest({ id: 'example', variables: {}, ...(requests && { requests }) }, 'refresh', client, {
      url: 'https://provider.example/token?x=1',
      headers: { accept: 'application/json', 'content-type': 'old' },
      body: new URLSearchParams(body),
    })

  test('a parameter that comes several times is a list in JSON, and comes several times elsewhere', () => {
    const resources: [string, string][] = [
      ['resource', 'a'],
      ['resource', 'b'],
      ['x', '2'],
    ]
    expect(write({ all: { body: 'json' } }, resources).body).toBe('{"resource":["a","b"],"x":"2"}')
    expect(write({ all: { body: 'query' } }, resources)).toEqual({
      method: 'POST',
      url: 'https://provider.example/token?resource=a&resource=b&x=2',
      headers: { accept: 'application/json' },
    })
    expect(write({}, resources).body).toBe('resource=a&resource=b&x=2')
  })

  test('a parameter that names what is not there is left out, and what no name stands in is text', () => {
    const parameters = {
      a: '{client_id}',
      b: '{client_secret}x',
      c: '{code}',
      d: '{x}-{x}',
      e: '{"x":1}',
      __proto__x: 'p',
    }
    expect(
      Object.fromEntries(
        new URLSearchParams(
          write({ refresh: { parameters } }, [
            ['x', '{y}'],
            ['a', 'old'],
          ]).body,
        ),
      ),
    ).toEqual({
      x: '{y}',
      d: '{y}-{y}',
      e: '{"x":1}',
      __proto__x: 'p',
    })
  })

  test('a content type of the profile is the one that is sent', () => {
    const headers = { 'Content-Type': 'application/vnd.api+json' }
    expect(write({ all: { body: 'json', headers } }, [['a', '1']]).headers).toEqual({
      accept: 'application/json',
      'content-type': 'application/vnd.api+json',
    })
  })
})
