import { inspect } from 'node:util'
import { login, startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { discover } from '../../src/oauth/discovery.ts'
import { revokeToken } from '../../src/oauth/revocation.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import type { ProviderDialect } from '../../src/providers/dialect.ts'
import type { RequestDialect } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'
import { httpServer, rawServer, wireForTest } from './servers.ts'

const token = new Secret('refresh-token/of+the=request')
const client: ClientRegistration = {
  provider: { kind: 'issuer', issuer: 'https://provider.example' },
  clientId: 'client-1',
  authentication: { method: 'client_secret_basic', secret: new Secret('client-secret-1') },
  insecureHttp: false,
}
const serverAt = (revocationEndpoint?: string): ServerMetadata => ({
  tokenEndpoint: 'https://provider.example/token',
  revocationEndpoint,
})

const revoke = (server: ServerMetadata, overrides = {}) =>
  revokeToken(server, client, { token, hint: 'refresh_token' }, wireForTest(overrides))

/** Revokes at a provider that answers just so. */
const answerTo = (body: string | object, status = 200, headers: Record<string, string> = {}) =>
  revoke(serverAt('https://provider.example/revoke'), {
    transport: async () => ({
      status,
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  })

test('a real provider that is told of a refresh token ends the login, and says the same when told again', async () => {
  const practice = await startPracticeServer()
  onTestFinished(() => practice.stop())
  const wire = wireForTest({ now: Date.now })
  const server = await discover(practice.issuer, { insecureHttp: false }, wire)
  const issued = await login(practice.issuer, { subject: 'ann' })
  const app: ClientRegistration = { ...client, clientId: 'practice-app', authentication: { method: 'none' } }
  const presented = { token: new Secret(issued.refreshToken), hint: 'refresh_token' } as const
  expect(practice.introspect(issued.accessToken)).toMatchObject({ active: true })
  expect(await revokeToken(server, app, presented, wire)).toEqual({ kind: 'revoked', status: 200 })
  expect(practice.introspect(issued.refreshToken)).toEqual({ active: false })
  expect(practice.introspect(issued.accessToken)).toEqual({ active: false })
  expect(await revokeToken(server, app, presented, wire)).toEqual({ kind: 'revoked', status: 200 })
  expect(
    await revokeToken(server, app, { token: new Secret('never issued'), hint: 'access_token' }, wire),
  ).toEqual({ kind: 'revoked', status: 200 })
})

test('the request is the one of RFC 7009, from a client that proves itself', async () => {
  const requests: WireRequest[] = []
  const answer = await revoke(serverAt('https://provider.example/revoke?tenant=1'), {
    transport: async (request: WireRequest) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '' }
    },
  })
  expect(answer).toEqual({ kind: 'revoked', status: 200 })
  expect(requests).toMatchObject([{ method: 'POST', url: 'https://provider.example/revoke?tenant=1' }])
  expect(Object.fromEntries(new URLSearchParams(requests[0]?.body))).toEqual({
    token: token.reveal(),
    token_type_hint: 'refresh_token',
  })
  expect(requests[0]?.headers).toMatchObject({
    authorization: `Basic ${btoa('client-1:client-secret-1')}`,
    'content-type': 'application/x-www-form-urlencoded',
    'user-agent': 'evertoken',
  })
})

test.each([
  ['an empty answer', '', 200],
  ['one without content', '', 204],
  ['a page', '<html>done</html>', 200],
  ['an object of its own', { revoked: true }, 200],
  ['an error member of null', { error: null }, 200],
  // Google: {"error":"invalid_token","error_description":"Token expired or revoked"}
  ['an error that says the token is dead already', { error: 'invalid_token' }, 400],
])('%s means that the token is worth nothing', async (_name, body, status) => {
  expect(await answerTo(body, status)).toEqual({ kind: 'revoked', status })
})

test.each([
  ['no such page', 'not found', 404, {}, {}],
  ['a redirect', '', 302, { location: 'https://elsewhere.example' }, {}],
  ['a client that is not known', { error: 'invalid_client' }, 401, {}, { error: 'invalid_client' }],
  ['an error under a good status', { ok: false, error: 'fatal' }, 200, {}, { error: 'fatal' }],
  ['trouble that passes', 'busy', 503, { 'retry-after': '30' }, { retryAfter: 30 }],
  ['a limit', { error: 'slow_down' }, 429, {}, { error: 'slow_down' }],
])('%s is a failure', async (_name, body, status, headers, more) => {
  expect(await answerTo(body, status, headers)).toEqual({ kind: 'failed', status, ...more })
})

test('a provider without the endpoint, or that revokes nothing of this kind, does not support it', async () => {
  expect(await revoke(serverAt(undefined))).toEqual({ kind: 'unsupported' })
  expect(await answerTo({ error: 'unsupported_token_type' }, 400)).toEqual({ kind: 'unsupported' })
})

test('nothing is sent over plain http to another host', async () => {
  const transport = async () => Promise.reject(new Error('sent'))
  expect(await revoke(serverAt('http://provider.example/revoke'), { transport })).toEqual({
    kind: 'silence',
    sent: false,
    reason: 'insecure_http',
    detail: 'plain http to provider.example refused',
  })
})

test('silence says whether anything was sent', async () => {
  const hangingUp = await rawServer((socket) => socket.destroy())
  expect(await revoke(serverAt(`${hangingUp}/revoke`))).toMatchObject({
    kind: 'silence',
    sent: true,
    reason: 'reset',
  })
  expect(await revoke(serverAt('http://127.0.0.1:1/revoke'))).toMatchObject({
    kind: 'silence',
    sent: false,
    reason: 'refused',
  })
})

test('an answer without end is a failure with its status', async () => {
  const endless = await httpServer((_request, response) => {
    response.writeHead(200)
    response.end('x'.repeat(70_000))
  })
  expect(await revoke(serverAt(`${endless}/revoke`))).toEqual({ kind: 'failed', status: 200 })
})

test('a provider that quotes what it was sent is not repeated', async () => {
  const answer = await answerTo(
    { error: 'server_error', error_description: `bad ${token.reveal()} of client-secret-1` },
    500,
  )
  expect(answer).toEqual({
    kind: 'failed',
    status: 500,
    error: 'server_error',
    description: 'bad [secret] of [secret]',
  })
  expect(inspect(answer, { depth: 9 })).not.toContain('refresh-token')
})

/** One revocation in the words of a provider: what was sent, and what the answer means. */
async function spoken(
  revoke: RequestDialect,
  response: { status?: number; body?: string } = {},
  hint: 'refresh_token' | 'access_token' = 'access_token',
) {
  const sent: WireRequest[] = []
  const dialect: ProviderDialect = { id: 'acme', variables: {}, requests: { revoke } }
  const answer = await revokeToken(
    serverAt('https://provider.example/revoke'),
    { ...client, dialect },
    { token, hint },
    wireForTest({
      transport: async (request: WireRequest) => {
        sent.push(request)
        return { status: 200, headers: {}, body: '', ...response }
      },
    }),
  )
  return { answer, request: sent[0], sent }
}

describe('in the words of a provider', () => {
  const basic = `Basic ${btoa('client-1:client-secret-1')}`

  test('a token may stand in the path, and nothing else is sent', async () => {
    const { request } = await spoken({
      url: 'https://api.provider.example/{client_id}/refresh-tokens/{token}',
      method: 'DELETE',
      parameters: { token: null, token_type_hint: null },
    })
    expect(request).toMatchObject({
      method: 'DELETE',
      url: 'https://api.provider.example/client-1/refresh-tokens/refresh-token%2Fof%2Bthe%3Drequest',
      headers: { authorization: basic },
    })
    expect(request?.body).toBe(undefined)
    expect(request?.headers).not.toHaveProperty('content-type')
    // For whoever writes of the request.
    expect(request?.secrets).toContain('refresh-token%2Fof%2Bthe%3Drequest')
  })

  test('a token that would change the path is not sent', async () => {
    const dialect: ProviderDialect = {
      id: 'acme',
      variables: {},
      requests: { revoke: { url: 'https://provider.example/tokens/{token}' } },
    }
    const transport = async () => Promise.reject(new Error('sent'))
    const dots = { token: new Secret('..'), hint: 'access_token' } as const
    expect(await revokeToken(serverAt(), { ...client, dialect }, dots, wireForTest({ transport }))).toEqual({
      kind: 'unsupported',
    })
  })

  test('a token may prove itself in a header, in place of the client', async () => {
    const { request } = await spoken({
      headers: { Authorization: 'Bearer {token}' },
      client_authentication: 'none',
      parameters: { token: null, token_type_hint: null, client_id: null },
    })
    expect(request?.headers.authorization).toBe(`Bearer ${token.reveal()}`)
    expect(request?.body).toBe(undefined)
  })

  test('a client may prove itself otherwise than at the token endpoint', async () => {
    const { request } = await spoken({
      client_authentication: 'client_secret_post',
      body: 'json',
      parameters: { token_type_hint: null },
      rename: { token: 'access_token' },
    })
    expect(request?.headers).not.toHaveProperty('authorization')
    expect(JSON.parse(request?.body ?? '')).toEqual({
      access_token: token.reveal(),
      client_id: 'client-1',
      client_secret: 'client-secret-1',
    })
    const { request: other } = await spoken({
      client_authentication: 'none',
      headers: { Authorization: 'Client {client_secret}' },
    })
    expect(other?.headers.authorization).toBe('Client client-secret-1')
    expect(new URLSearchParams(other?.body).has('client_secret')).toBe(false)
  })

  test('kinds of token that cannot be revoked are not sent', async () => {
    const { answer, sent } = await spoken({ tokens: ['access_token'] }, {}, 'refresh_token')
    expect([answer, sent]).toEqual([{ kind: 'unsupported' }, []])
    expect((await spoken({ tokens: ['access_token'] })).answer).toEqual({ kind: 'revoked', status: 200 })
  })

  test.each([
    ['a status', [{ status: 302 }], { status: 302 }, 'revoked'],
    ['another status', [{ status: 204 }], { status: 200 }, 'failed'],
    ['a member', [{ pointer: '/revoked', equals: true }], { body: '{"ok":true,"revoked":true}' }, 'revoked'],
    ['the wrong value', [{ pointer: '/revoked', equals: true }], { body: '{"revoked":false}' }, 'failed'],
    ['a code', [{ code: 'token_revoked' }], { body: '{"ok":false,"error":"token_revoked"}' }, 'revoked'],
    ['another code', [{ code: 'token_revoked' }], { body: '{"ok":false,"error":"no_permission"}' }, 'failed'],
    ['a member of an answer that is none', [{ pointer: '/revoked' }], { body: '<html>' }, 'failed'],
    [
      'one of several',
      [{ status: 204 }, { status: 404, code: 'gone' }],
      { status: 404, body: '{"error":"gone"}' },
      'revoked',
    ],
    ['half of one', [{ status: 404, code: 'gone' }], { status: 404, body: '{"error":"no"}' }, 'failed'],
  ] as const)('what says that it is done is %s', async (_name, revoked, response, kind) => {
    expect((await spoken({ revoked }, response)).answer).toMatchObject({ kind })
  })
})
