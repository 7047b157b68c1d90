import { inspect } from 'node:util'
import { login, startPracticeServer } from '@evertoken/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { discover } from '../../src/oauth/discovery.ts'
import { introspectToken } from '../../src/oauth/introspection.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { rawServer, wireForTest } from './servers.ts'

const token = new Secret('refresh-token/of+the=request')
const client: ClientRegistration = {
  provider: { kind: 'issuer', issuer: 'https://provider.example' },
  clientId: 'client-1',
  authentication: { method: 'client_secret_post', secret: new Secret('client-secret-1') },
  insecureHttp: false,
}
const serverAt = (introspectionEndpoint?: string): ServerMetadata => ({
  tokenEndpoint: 'https://provider.example/token',
  introspectionEndpoint,
})

const introspect = (server: ServerMetadata, overrides = {}) =>
  introspectToken(server, client, { token, hint: 'refresh_token' }, wireForTest(overrides))

/** Introspects at a provider that answers just so. */
const answerTo = (body: string | object, status = 200, headers: Record<string, string> = {}) =>
  introspect(serverAt('https://provider.example/introspect'), {
    transport: async () => ({
      status,
      headers,
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  })

test('a real provider tells a live refresh token from one that is spent, and asking spends nothing', async () => {
  const practice = await startPracticeServer()
  onTestFinished(() => practice.stop())
  const wire = wireForTest({ now: Date.now })
  const server = await discover(practice.issuer, { insecureHttp: false }, wire)
  const issued = await login(practice.issuer, { subject: 'ann' })
  const app: ClientRegistration = { ...client, clientId: 'practice-app', authentication: { method: 'none' } }
  const ask = () =>
    introspectToken(server, app, { token: new Secret(issued.refreshToken), hint: 'refresh_token' }, wire)
  const { exp } = practice.introspect(issued.refreshToken) as { exp: number }
  expect(await ask()).toEqual({ kind: 'introspected', active: true, exp })
  expect(await ask()).toEqual({ kind: 'introspected', active: true, exp })
  practice.revokeFamily(issued.refreshToken)
  expect(await ask()).toEqual({ kind: 'introspected', active: false })
})

test('the request is the one of RFC 7662, from a client that proves itself', async () => {
  const requests: WireRequest[] = []
  await introspect(serverAt('https://provider.example/introspect'), {
    transport: async (request: WireRequest) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '{"active":true}' }
    },
  })
  expect(requests).toMatchObject([
    { method: 'POST', url: 'https://provider.example/introspect', headers: { accept: 'application/json' } },
  ])
  expect(Object.fromEntries(new URLSearchParams(requests[0]?.body))).toEqual({
    token: token.reveal(),
    token_type_hint: 'refresh_token',
    client_id: 'client-1',
    client_secret: 'client-secret-1',
  })
})

test.each([
  [{ active: true }, { active: true }],
  [{ active: false }, { active: false }],
  [
    { active: true, exp: 1_800_000_000 },
    { active: true, exp: 1_800_000_000 },
  ],
  [{ active: true, exp: 'soon' }, { active: true }],
  [{ active: true, exp: -1 }, { active: true }],
])('%j is an answer about the token', async (body, read) => {
  expect(await answerTo(body)).toEqual({ kind: 'introspected', ...read })
})

// Whatever is not plainly true or false would end a login, or give it up, on a misunderstanding.
test.each([
  ['a text for the truth', { active: 'true' }, 200, {}],
  ['a number for the truth', { active: 1 }, 200, {}],
  ['nothing about it', {}, 200, {}],
  ['a list', [{ active: true }], 200, {}],
  ['a page', '<html>log in</html>', 200, {}],
  ['nothing at all', '', 200, {}],
  ['another status', { active: false }, 203, {}],
  [
    'a refusal with an answer in it',
    { active: false, error: 'access_denied' },
    200,
    { error: 'access_denied' },
  ],
  ['a client that is not known', { error: 'invalid_client' }, 401, { error: 'invalid_client' }],
  ['no such page', 'not found', 404, {}],
  ['a member from a prototype', '{"__proto__":{"active":true}}', 200, {}],
])('%s says nothing about the token', async (_name, body, status, more) => {
  expect(await answerTo(body, status)).toEqual({ kind: 'unusable', status, ...more })
})

test('a provider that asks for time says how much', async () => {
  expect(await answerTo('busy', 503, { 'retry-after': '5' })).toEqual({
    kind: 'unusable',
    status: 503,
    retryAfter: 5,
  })
})

test('a provider without the endpoint cannot be asked', async () => {
  expect(await introspect(serverAt(undefined))).toEqual({ kind: 'unsupported' })
})

test('silence says whether anything was sent, and plain http to another host is not spoken', async () => {
  const hangingUp = await rawServer((socket) => socket.destroy())
  expect(await introspect(serverAt(`${hangingUp}/introspect`))).toMatchObject({ kind: 'silence', sent: true })
  expect(await introspect(serverAt('http://provider.example/introspect'))).toMatchObject({
    kind: 'silence',
    sent: false,
    reason: 'insecure_http',
  })
})

test('an answer that is cut says nothing about the token', async () => {
  const cut = await rawServer((socket) =>
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"active":false}'),
  )
  expect(await introspect(serverAt(`${cut}/introspect`))).toEqual({ kind: 'unusable', status: 200 })
})

test('a provider that quotes what it was sent is not repeated', async () => {
  const answer = await answerTo({ error: token.reveal(), error_description: 'client-secret-1 is wrong' }, 400)
  expect(answer).toEqual({
    kind: 'unusable',
    status: 400,
    error: '[secret]',
    description: '[secret] is wrong',
  })
  expect(inspect(answer, { depth: 9 })).not.toContain('refresh-token')
})
