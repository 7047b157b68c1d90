import { describe, expect, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { requestDeviceAuthorization } from '../../src/oauth/device-authorization.ts'
import { introspectToken } from '../../src/oauth/introspection.ts'
import { pushAuthorizationRequest } from '../../src/oauth/pushed-authorization.ts'
import { revokeToken } from '../../src/oauth/revocation.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import type { AnswerDialect, ErrorRule } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'
import { wireForTest } from './servers.ts'

const server: ServerMetadata = {
  tokenEndpoint: 'https://provider.example/token',
  authorizationEndpoint: 'https://provider.example/authorize',
  revocationEndpoint: 'https://provider.example/revoke',
  introspectionEndpoint: 'https://provider.example/introspect',
  deviceAuthorizationEndpoint: 'https://provider.example/device',
  pushedAuthorizationRequestEndpoint: 'https://provider.example/par',
}
const token = { token: new Secret('refresh-token-text'), hint: 'refresh_token' } as const

interface Spoken {
  readonly answer?: AnswerDialect
  readonly errors?: readonly ErrorRule[]
}

const clientOf = (spoken: Spoken): ClientRegistration => ({
  provider: { kind: 'endpoints', metadata: server },
  clientId: 'client-1',
  authentication: { method: 'none' },
  insecureHttp: false,
  dialect: { id: 'acme', variables: {}, ...spoken },
})

/** At a provider that speaks so and answers just so. */
const answering = (spoken: Spoken, body: unknown, status = 200) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const wire = wireForTest({ transport: async () => ({ status, headers: {}, body: text }) })
  const client = clientOf(spoken)
  return {
    // Slack revokes no other kind.
    revoke: () => revokeToken(server, client, { ...token, hint: 'access_token' }, wire),
    introspect: () => introspectToken(server, client, token, wire),
    device: () => requestDeviceAuthorization(server, client, {}, wire),
    push: () => pushAuthorizationRequest(server, client, { parameters: new URLSearchParams() }, wire),
  }
}

const slack = catalogueProfile('slack') as Spoken
const numbered: Spoken = {
  answer: {
    root: '/data',
    success: { pointer: '/code', equals: 0 },
    error_code: '/code',
    error_description: '/text',
  },
  errors: [
    { code: 4001, means: 'dead' },
    { code: 4003, means: 'rate_limited', retry_after: 90 },
  ],
}

describe('a revocation in the dialect of its provider', () => {
  test.each<[string, Spoken, unknown, object]>([
    ['Slack has done it', slack, { ok: true, revoked: true }, { kind: 'revoked' }],
    ['Slack says that it was dead', slack, { ok: false, error: 'token_revoked' }, { kind: 'revoked' }],
    [
      'Slack is in trouble, with a good status',
      slack,
      { ok: false, error: 'fatal_error' },
      { kind: 'failed', error: 'fatal_error' },
    ],
    ['a code of success', numbered, { code: 0 }, { kind: 'revoked' }],
    ['a code of a dead token', numbered, { code: 4001, text: 'gone' }, { kind: 'revoked' }],
    [
      'a code of a limit',
      numbered,
      { code: 4003, text: 'slowly' },
      { kind: 'failed', error: '4003', description: 'slowly', retryAfter: 90 },
    ],
    ['an answer that has no such code', numbered, { done: true }, { kind: 'revoked' }],
    ['an empty answer', numbered, '', { kind: 'revoked' }],
    ['a refusal in a form', {}, 'error=server_error', { kind: 'failed', error: 'server_error' }],
  ])('%s', async (_name, spoken, body, expected) => {
    expect(await answering(spoken, body).revoke()).toEqual({ status: 200, ...expected })
  })
})

test('an introspection is refused in the dialect, and told as ever without the word of success', async () => {
  expect(await answering(numbered, { code: 4003, text: 'slowly' }).introspect()).toEqual({
    kind: 'unusable',
    status: 200,
    error: '4003',
    description: 'slowly',
    retryAfter: 90,
  })
  expect(await answering(numbered, { active: true, exp: 5 }).introspect()).toEqual({
    kind: 'introspected',
    active: true,
    exp: 5,
  })
  // A code that calls the token dead is no answer to whether it is: only active says so.
  expect(await answering(numbered, { code: 4001 }).introspect()).toMatchObject({ kind: 'unusable' })
})

test('a device authorization and a pushed request are refused in the dialect', async () => {
  const refused = { kind: 'error', status: 200, error: '7', description: 'no such client' }
  const { device, push } = answering(numbered, { code: 7, text: 'no such client' })
  expect(await device()).toEqual(refused)
  expect(await push()).toEqual(refused)
})

test('nothing of the request is told in the words of the provider', async () => {
  const answer = await answering(numbered, { code: 7, text: 'bad refresh-token-text' }).revoke()
  expect(answer).toMatchObject({ kind: 'failed', description: 'bad [secret]' })
})
