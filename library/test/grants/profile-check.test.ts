import { describe, expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { checkProfile } from '../../src/grants/profile-check.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'

const base = { id: 'example', name: 'Example', token_url: 'https://provider.example/token' }
const tenant = { description: 'the tenant' }
const profileOf = (profile: object): ProviderProfile => ({ ...base, ...profile }) as ProviderProfile

/** What the check says; empty where it finds nothing. */
function said(profile: object): string {
  try {
    checkProfile(profileOf(profile))
    return ''
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_configuration' })
    return (error as Error).message
  }
}

const errors = (...rules: object[]) => ({ errors: rules.map((rule) => ({ means: 'dead', ...rule })) })

describe('a profile that cannot be is refused by the path of its key', () => {
  test.each<[string, object]>([
    ['id: is no name', { id: 'Example' }],
    ['id: is no name', { id: '' }],
    ['id: is no name', { id: '../x' }],
    ['token_url: neither it nor issuer', { token_url: undefined }],
    ['api.header: "X Token"', { api: { header: 'X Token' } }],
    ['api.header: ""', { api: { header: '' } }],
    ['api.header: "X\\r\\nHost"', { api: { header: 'X\r\nHost' } }],
    ['api.header: "Host" cannot carry a token', { api: { header: 'Host' } }],
    ['api.scheme: is no word', { api: { scheme: 'Token token' } }],
    ['api.scheme: is no word', { api: { scheme: 'Bearer\n' } }],
    ['token_url: is no http address', { token_url: 'provider.example/token' }],
    ['authorization_url: is no http address', { authorization_url: 'https://a@b.example/x' }],
    ['issuer: names {tenant}', { issuer: 'https://{tenant}.example.com' }],
    ['token_url: has braces', { token_url: 'https://{Tenant}.example.com' }],
    ['token_url: has braces', { token_url: 'https://a.example.com/{tenant' }],
    ['token_url: {tenant} would choose the host', { token_url: 'https://{tenant}/x', variables: { tenant } }],
    [
      'token_url: {tenant} would choose the host',
      { token_url: 'https://a.{tenant}.com/', variables: { tenant } },
    ],
    ['userinfo_url: {tenant} would choose', { userinfo_url: '{tenant}/me', variables: { tenant } }],
    ['requests.refresh.url: names {token}', { requests: { refresh: { url: 'https://a.example/{token}' } } }],
    [
      'requests.revoke.url: {token} may stand behind the host alone',
      { requests: { revoke: { url: 'https://{token}.a.example.com/' } } },
    ],
    [
      'requests.revoke.url: {client_id} may stand behind the host alone',
      { requests: { revoke: { url: '{client_id}/x' } } },
    ],
    ['requests.refresh.method: DELETE has', { requests: { refresh: { method: 'DELETE' } } }],
    ['requests.all.tokens: has an effect under', { requests: { all: { tokens: ['access_token'] } } }],
    ['requests.revoke.tokens: names no kind', { requests: { revoke: { tokens: [] } } }],
    [
      'requests.revoke.ends_login: says something',
      { requests: { revoke: { ends_login: true, tokens: ['refresh_token'] } } },
    ],
    ['requests.revoke.revoked: says of no', { requests: { revoke: { revoked: [] } } }],
    ['requests.revoke.revoked.0: has no condition', { requests: { revoke: { revoked: [{}] } } }],
    [
      'requests.revoke.revoked.1.equals: has no effect',
      { requests: { revoke: { revoked: [{ status: 204 }, { code: 'x', equals: 1 }] } } },
    ],
    ['requests.revoke.revoked.0.status: is no HTTP', { requests: { revoke: { revoked: [{ status: 99 }] } } }],
    ['requests.revoke.headers.a: names {code}', { requests: { revoke: { headers: { a: '{code}' } } } }],
    ['requests.refresh.headers.a: names {token}', { requests: { refresh: { headers: { a: '{token}' } } } }],
    ['requests.refresh.url: names {x}', { requests: { refresh: { url: 'https://a.example/{x}' } } }],
    [
      'token_url: holds the secret {k}',
      { token_url: 'https://a.example/{k}', variables: { k: { ...tenant, secret: true } } },
    ],
    ['variables.Tenant: is no name', { variables: { Tenant: tenant } }],
    ['variables.client_id: has the name', { variables: { client_id: tenant } }],
    ['variables.tenant.pattern: is no regular', { variables: { tenant: { ...tenant, pattern: '(' } } }],
    ['variables.tenant.default: does not match', { variables: { tenant: { ...tenant, default: 'a/b' } } }],
    ['variables.tenant.default: does not match', { variables: { tenant: { ...tenant, default: '' } } }],
    [
      'variables.tenant.hosts: "*.com" is no host',
      { variables: { tenant: { ...tenant, hosts: ['*.com'] } } },
    ],
    ['variables.tenant.hosts: "*" is no host', { variables: { tenant: { ...tenant, hosts: ['*'] } } }],
    [
      'variables.tenant.hosts: "https',
      { variables: { tenant: { ...tenant, hosts: ['https://a.example'] } } },
    ],
    ['variables.tenant.hosts: allows no', { variables: { tenant: { ...tenant, hosts: [] } } }],
    [
      'variables.tenant.any_host: has no effect',
      { variables: { tenant: { ...tenant, hosts: ['a.example'], any_host: true } } },
    ],
    ['basic.user: names {secret}', { basic: { user: '{secret}', password: '' } }],
    [
      'basic: has no effect',
      { basic: { user: '{client_secret}', password: '' }, client_authentication: 'none' },
    ],
    ['requests.refresh.body: a GET', { requests: { refresh: { method: 'GET', body: 'json' } } }],
    ['requests.refresh.body: a GET', { requests: { all: { body: 'json' }, refresh: { method: 'GET' } } }],
    ['requests.all.url: would send', { requests: { all: { url: 'https://a.example/x' } } }],
    ['requests.exchange.send: has an effect', { requests: { exchange: { send: ['scope'] } } }],
    ['requests.authorize.method: has no effect', { requests: { authorize: { method: 'GET' } } }],
    ['requests.authorize.headers: has no effect', { requests: { authorize: { headers: { a: 'b' } } } }],
    ['requests.all.headers.X-Key: names {key}', { requests: { all: { headers: { 'X-Key': '{key}' } } } }],
    [
      'requests.all.headers.X-Key: names {client_id}',
      { requests: { all: { headers: { 'X-Key': '{client_id}' } } } },
    ],
    ['requests.all.headers.X-Key: has braces', { requests: { all: { headers: { 'X-Key': '{' } } } }],
    [
      'requests.all.headers.X-Key: is not printable',
      { requests: { all: { headers: { 'X-Key': 'a\r\nb: c' } } } },
    ],
    ['requests.all.headers: "a b" is no name', { requests: { all: { headers: { 'a b': 'c' } } } }],
    ['requests.all.headers.Host: is set', { requests: { all: { headers: { Host: 'evil.example' } } } }],
    [
      'requests.all.headers.Content-Length: is set',
      { requests: { all: { headers: { 'Content-Length': '1' } } } },
    ],
    ['requests.refresh.parameters.a: names {x}', { requests: { refresh: { parameters: { a: '{x}' } } } }],
    [
      'requests.refresh.parameters: has a parameter without',
      { requests: { refresh: { parameters: { '': 'a' } } } },
    ],
    [
      'requests.all.rename.client_secret: client_id has the name x',
      { requests: { all: { rename: { client_id: 'x', client_secret: 'x' } } } },
    ],
    [
      'requests.refresh.rename.',
      { requests: { all: { rename: { client_id: 'x' } }, refresh: { rename: { client_secret: 'x' } } } },
    ],
    [
      'requests.all.rename.client_id: the parameter x',
      { requests: { all: { rename: { client_id: 'x' }, parameters: { x: '1' } } } },
    ],
    ['requests.all.rename.client_id: is empty', { requests: { all: { rename: { client_id: '' } } } }],
    [
      'requests.refresh.headers.A: names {assertion}',
      { requests: { refresh: { headers: { A: '{assertion}' } } } },
    ],
    ['requests.all.headers.A: names {assertion}', { requests: { all: { headers: { A: '{assertion}' } } } }],
    [
      'requests.request.url: names {assertion}',
      { requests: { request: { url: 'https://a.example/{assertion}' } } },
    ],
    ['requests.login.method: would put a password', { requests: { login: { method: 'GET' } } }],
    ['requests.login.body: would put a password', { requests: { all: { body: 'query' }, login: {} } }],
    [
      'requests.second_exchange: never says {access_token}',
      { requests: { second_exchange: { parameters: { a: 'b' } } } },
    ],
    [
      'requests.refresh.parameters.a: names {access_token}',
      { requests: { refresh: { parameters: { a: '{access_token}' } } } },
    ],
    ['client_assertion: has no effect with client_authentication left out', { client_assertion: {} }],
    [
      'client_assertion: has no effect with client_authentication none',
      { client_assertion: {}, client_authentication: 'none' },
    ],
    ...(
      [
        ['client_assertion.issuer: names {x}', { issuer: '{x}' }],
        ['client_assertion.lifetime: is no number', { lifetime: 0 }],
        ['client_assertion.parameter: is no name', { parameter: 'a b' }],
        ['client_assertion.parameter: refresh_token says something else', { parameter: 'refresh_token' }],
      ] as const
    ).map(([message, client_assertion]): [string, object] => [
      message,
      { client_assertion, client_authentication: 'private_key_jwt' },
    ]),
    ['assertion.issuer: names {x}', { assertion: { issuer: '{x}' } }],
    ['assertion.audience: has braces', { assertion: { audience: '{X}' } }],
    ['assertion.subject: is empty', { assertion: { subject: '' } }],
    [
      'assertion.claims.k: holds the secret {k}',
      { assertion: { claims: { k: '{k}' } }, variables: { k: { ...tenant, secret: true } } },
    ],
    ['assertion.lifetime: is no number', { assertion: { lifetime: 0 } }],
    ['assertion.backdate: is no number', { assertion: { backdate: -1 } }],
    ['assertion.backdate: is not shorter', { assertion: { backdate: 300 } }],
    ['consent.parameters.state: cannot', { consent: { parameters: { state: null } } }],
    ['consent.parameters.state: cannot', { consent: { parameters: { state: 'x' } } }],
    ['consent.parameters.code_challenge: cannot', { consent: { parameters: { code_challenge: null } } }],
    [
      'requests.authorize.parameters.state: cannot',
      { requests: { all: { parameters: { state: 'x' } }, authorize: {} } },
    ],
    ['consent.rename.state: state cannot', { consent: { rename: { state: 's' } } }],
    ['consent.rename.scope: state cannot', { consent: { rename: { scope: 'state' } } }],
    [
      'consent.parameters.k: would show {client_secret}',
      { consent: { parameters: { k: '{client_secret}' } } },
    ],
    [
      'consent.parameters.k: would show {key}',
      { consent: { parameters: { k: '{key}' } }, variables: { key: { ...tenant, secret: true } } },
    ],
    ['consent.offline_scope: is not one', { consent: { offline_scope: 'a b' } }],
    ['consent.scope_separator: is empty', { consent: { scope_separator: '' } }],
    ['consent.fragment: names {x}', { consent: { fragment: '{x}' } }],
    ['answer.root: "data" is no JSON pointer', { answer: { root: 'data' } }],
    ['answer.access_token: "/a~2" is no', { answer: { access_token: ['/a', '/a~2'] } }],
    ['answer.success.pointer: "ok" is no', { answer: { success: { pointer: 'ok' } } }],
    ['answer.metadata.team: "team" is no', { answer: { metadata: { team: 'team' } } }],
    [
      'answer.secondary_tokens.user.root: "x" is no',
      { answer: { secondary_tokens: { user: { root: 'x' } } } },
    ],
    [
      'answer.secondary_tokens.b: is the same token',
      { answer: { secondary_tokens: { a: { root: '/x' }, b: { root: ['/x'] } } } },
    ],
    ['answer.secondary_tokens.a b: is no name', { answer: { secondary_tokens: { 'a b': { root: '/x' } } } }],
    ['answer.refresh_extends: has no effect without success', { answer: { refresh_extends: true } }],
    ['errors.0: has no condition', errors({})],
    ['errors.0.equals: has no effect', errors({ status: 400, equals: 1 })],
    ['errors.0.status: is no HTTP', errors({ status: 4 })],
    ['errors.0.pointer: "a" is no', errors({ pointer: 'a' })],
    ['errors.0.status: can never match, because a 302', errors({ status: 302 })],
    ['errors.0.status: can never match, because a 100', errors({ status: 100, code: 'x' })],
    ['errors.0.code: is empty', errors({ code: '' })],
    ['errors.0.code: can never match, because only 100', errors({ code: 'x'.repeat(101) })],
    ['errors.0.description: can never match, because only 500', errors({ description: 'x'.repeat(501) })],
    [
      'answer.scope: /access_token is where a token lies',
      { answer: { scope: ['/scopes', '/access_token'] } },
    ],
    ['answer.token_type: /t is where a token lies', { answer: { access_token: '/t', token_type: '/t' } }],
    [
      'answer.error_description: /data/t is where a token lies',
      { answer: { root: '/data', access_token: '/t', error_description: '/data/t' } },
    ],
    [
      'answer.failure: is the same as answer.success',
      { answer: { success: { pointer: '/ok', equals: true }, failure: { pointer: '/ok', equals: true } } },
    ],
    ['errors.1: can never match, because errors.0', errors({ status: 400 }, { status: 400, code: 'x' })],
    ['errors.1: can never match', errors({ code: 1 }, { code: '1' })],
    [
      'errors.1: can never match',
      errors({ description: 'Expired' }, { description: 'token EXPIRED', code: 'x' }),
    ],
    [
      'errors.2: can never match, because errors.1',
      errors({ status: 500 }, { pointer: '/a' }, { pointer: '/a', equals: 1 }),
    ],
    ['lifetimes.reuse_window: replay_class fork', { lifetimes: { replay_class: 'fork' } }],
    ['lifetimes.reuse_window: has no effect', { lifetimes: { replay_class: 'strict', reuse_window: 60 } }],
    [
      'lifetimes.rotation: always contradicts',
      { lifetimes: { rotation: 'always', replay_class: 'non_rotating' } },
    ],
    ['lifetimes.assumed_lifetime: is no number', { lifetimes: { assumed_lifetime: 0 } }],
    ['lifetimes.refresh_before: is no number', { lifetimes: { refresh_before: -1 } }],
  ])('%s', (path, profile) => {
    expect(said(profile).slice(0, path.length)).toBe(path)
    expect(() =>
      clientCredentials({ clientId: 'c', clientSecret: 's', profile: profileOf(profile) }),
    ).toThrow(path)
  })
})

describe('a profile passes', () => {
  test.each<[string, object]>([
    ['with the least that one can be', {}],
    ['with an expiry format without an expiry', { answer: { expiry_format: 'epoch_s' } }],
    ['with pointers of all kinds', { answer: { root: '', access_token: ['/a/0/b~1c~0d', '/'] } }],
    [
      'with names that change places',
      { requests: { all: { rename: { a: 'b', b: 'a' }, parameters: { b: '1' } } } },
    ],
    ['with JSON in a parameter', { consent: { parameters: { claims: '{"id_token":{"email":null}}' } } }],
    [
      'with a narrower rule before a broader',
      errors({ status: 400, code: 'x' }, { status: 400 }, { code: 'x' }),
    ],
    [
      'with rules that only overlap',
      errors(
        { status: 400, description: 'a' },
        { status: 400, code: 'x' },
        { pointer: '/a', equals: 1 },
        { pointer: '/a', equals: 2 },
        { pointer: '/a' },
      ),
    ],
    ['with a tenant before a suffix', { issuer: 'https://{tenant}.example.com', variables: { tenant } }],
    [
      'with a host of everybody’s own',
      { issuer: 'https://{tenant}/x', variables: { tenant: { ...tenant, any_host: true } } },
    ],
    [
      'with a secret in a header and a parameter',
      {
        variables: { key: { ...tenant, secret: true } },
        requests: {
          all: { headers: { 'X-Key': '{key}' }, parameters: { key: '{key}', old: '{refresh_token}' } },
        },
      },
    ],
  ])('%s', (_, profile) => {
    expect(said(profile)).toBe('')
  })
})
