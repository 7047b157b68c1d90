import { describe, expect, test } from 'vitest'
import {
  authorizationCode,
  circuitKey,
  clientCredentials,
  type GrantDefinition,
  jwtBearer,
  providerName,
  readDefinition,
  refreshToken,
  writeDefinition,
} from '../../src/grants/definition.ts'
import type { ProfileLifetimes, ProviderProfile } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const profile: ProviderProfile = {
  id: 'acme',
  name: 'Acme',
  token_url: 'https://{tenant}.acme.example.com/token',
  authorization_url: 'https://{tenant}.acme.example.com/authorize',
  revocation_url: 'https://{tenant}.acme.example.com/revoke',
  introspection_url: 'https://{tenant}.acme.example.com/introspect',
  device_authorization_url: 'https://{tenant}.acme.example.com/device',
  pushed_authorization_request_url: 'https://{tenant}.acme.example.com/par',
  variables: { tenant: { description: 'the first part of the address of your company', example: 'contoso' } },
}
const login = { profile, variables: { tenant: 'contoso' }, clientId: 'id-1', refreshToken: 'refresh-token-1' }
const host = 'https://contoso.acme.example.com'
const withLifetimes = (lifetimes: ProfileLifetimes, more: Partial<ProviderProfile> = {}) =>
  refreshToken({ ...login, profile: { ...profile, lifetimes, ...more } })

describe('a profile is what its user did not write', () => {
  test('its addresses, with the variables filled in', () => {
    const definition = authorizationCode(login)
    expect(definition.client).toMatchObject({
      provider: {
        kind: 'endpoints',
        metadata: { tokenEndpoint: `${host}/token`, authorizationEndpoint: `${host}/authorize` },
      },
      revocationEndpoint: `${host}/revoke`,
      introspectionEndpoint: `${host}/introspect`,
      deviceAuthorizationEndpoint: `${host}/device`,
      pushedAuthorizationRequestEndpoint: `${host}/par`,
    })
    expect([providerName(definition), circuitKey(definition)]).toEqual([
      'contoso.acme.example.com',
      'contoso.acme.example.com\nid-1',
    ])
  })

  test('what stands beside it wins', () => {
    const { client } = refreshToken({
      ...login,
      tokenUrl: 'https://sandbox.example/token',
      revocationUrl: 'https://sandbox.example/r',
    })
    expect(client).toMatchObject({
      provider: { metadata: { tokenEndpoint: 'https://sandbox.example/token' } },
      revocationEndpoint: 'https://sandbox.example/r',
      introspectionEndpoint: `${host}/introspect`,
    })
  })

  test('of another issuer that stands beside it nothing is known but what it publishes', () => {
    const { client } = authorizationCode({ ...login, issuer: 'https://other.example' })
    expect(client.provider).toEqual({ kind: 'issuer', issuer: 'https://other.example' })
    expect(client.revocationEndpoint).toBeUndefined()
  })

  test('an issuer is discovered, or names the provider beside its endpoints', () => {
    const issuer = 'https://{tenant}.acme.example.com'
    const { token_url: _, ...discovered } = { ...profile, issuer }
    expect(refreshToken({ ...login, profile: discovered }).client.provider).toEqual({
      kind: 'issuer',
      issuer: host,
    })
    expect(refreshToken({ ...login, profile: { ...profile, issuer } }).client.provider).toMatchObject({
      kind: 'endpoints',
      metadata: { issuer: host, tokenEndpoint: `${host}/token` },
    })
  })

  const key = { algorithm: 'HS256', key: 'k' } as const
  test.each<[ProviderProfile['client_authentication'], object, string]>([
    ['client_secret_post', { clientSecret: 's' }, 'client_secret_post'],
    [
      'client_secret_post',
      { clientSecret: 's', clientAuthentication: 'client_secret_basic' },
      'client_secret_basic',
    ],
    ['client_secret_post', {}, 'none'],
    ['client_secret_post', { signingKey: key }, 'private_key_jwt'],
    ['client_secret_basic', { clientAssertionFile: '/run/token' }, 'private_key_jwt'],
    ['none', { clientSecret: 's' }, 'none'],
    ['none', { signingKey: key }, 'private_key_jwt'],
    ['private_key_jwt', { signingKey: key }, 'private_key_jwt'],
    ['private_key_jwt', { clientSecret: 's' }, 'client_secret_basic'],
    [undefined, { clientSecret: 's' }, 'client_secret_basic'],
  ])('%s with %j authenticates by %s', (method, given, expected) => {
    const authenticated = method === undefined ? profile : { ...profile, client_authentication: method }
    expect(refreshToken({ ...login, profile: authenticated, ...given }).client.authentication.method).toBe(
      expected,
    )
  })

  test('its lifetimes', () => {
    const said: ProfileLifetimes = {
      replay_class: 'fork',
      reuse_window: 60,
      quiescence: 90,
      old_token_dies: true,
      introspection: true,
      assumed_lifetime: 600,
      refresh_before: 30,
      refresh_token_lifetime: 86_400,
      refresh_token_idle: 3600,
      refresh_rate: 2,
    }
    expect(withLifetimes(said)).toMatchObject({
      facts: {
        replayClass: 'fork',
        reuseWindow: 60_000,
        quiescence: 90_000,
        oldTokenDies: true,
        introspection: true,
        refreshTokenLifetime: 86_400_000,
        refreshTokenIdle: 3_600_000,
        refreshRate: 2,
      },
      refreshBefore: 30,
      assumedLifetime: 600,
    })
    const own = {
      replayClass: 'strict',
      oldTokenDies: false,
      refreshBefore: 0,
      assumedLifetime: 60,
      introspection: false,
    } as const
    expect(refreshToken({ ...login, profile: { ...profile, lifetimes: said }, ...own })).toMatchObject({
      facts: {
        replayClass: 'strict',
        reuseWindow: 0,
        oldTokenDies: false,
        introspection: false,
        refreshRate: 2,
      },
      refreshBefore: 0,
      assumedLifetime: 60,
    })
  })

  test.each<[string, ProfileLifetimes, Partial<ProviderProfile>, string, number]>([
    ['nothing', {}, {}, 'strict', 0],
    ['refresh tokens that are never replaced', { rotation: 'never' }, {}, 'non_rotating', 0],
    ['refresh tokens that are', { rotation: 'always' }, {}, 'strict', 0],
    [
      'a class that was read',
      { replay_class: 'idempotent', reuse_window: 9 },
      facts('read'),
      'idempotent',
      9000,
    ],
    [
      'a class that nobody checked',
      { replay_class: 'idempotent', reuse_window: 9 },
      facts('recalled'),
      'strict',
      0,
    ],
    [
      'a window that nobody checked',
      { replay_class: 'fork', reuse_window: 9 },
      facts('read', 'lifetimes.reuse_window'),
      'strict',
      0,
    ],
    ['a rotation that nobody checked', { rotation: 'never' }, facts('recalled'), 'strict', 0],
    [
      'another fact that nobody checked',
      { rotation: 'never' },
      facts('read', 'lifetimes.refresh_before'),
      'non_rotating',
      0,
    ],
  ])('%s makes the replay class', (_, lifetimes, more, replayClass, reuseWindow) => {
    expect(withLifetimes(lifetimes, more).facts).toMatchObject({ replayClass, reuseWindow })
  })

  test('tokens that never expire are taken to live a hundred years', () => {
    expect(withLifetimes({ never_expires: true }).assumedLifetime).toBe(3_155_760_000)
  })

  test('what says nothing for a grant without a login does no harm', () => {
    const lifetimes: ProfileLifetimes = {
      replay_class: 'fork',
      reuse_window: 60,
      refresh_token_idle: 60,
      introspection: true,
      refresh_before: 9,
    }
    const { introspection_url: _, ...without } = profile
    const options = { ...login, clientSecret: 's', profile: { ...without, lifetimes } }
    const assertion = { issuer: 'i', key: { algorithm: 'HS256', key: 'k' } } as const
    for (const definition of [clientCredentials(options), jwtBearer({ ...options, assertion })])
      expect(definition).toMatchObject({
        facts: { replayClass: 'non_rotating', reuseWindow: 0, introspection: false },
        refreshBefore: 9,
      })
  })
})

function facts(confidence: 'read' | 'recalled', ...recalled: string[]): Partial<ProviderProfile> {
  return { facts: { confidence, recalled, sources: [], checked: '2026-01-01' } }
}

describe('the dialect of a client', () => {
  const requests = {
    refresh: { url: 'https://{tenant}.acme.example.com/renew' },
    all: { headers: { 'X-Key': '{key}' } },
  }
  const spoken = refreshToken({
    ...login,
    profile: {
      ...profile,
      requests,
      variables: { ...profile.variables, key: { description: 'a key', secret: true } },
    },
    variables: { tenant: 'contoso', key: 'secret-key-1' },
  })

  test('is there only where the provider has words of its own', () => {
    expect(refreshToken(login).client.dialect).toBeUndefined()
    expect(withLifetimes({ rotation: 'never' }).client.dialect).toBeUndefined()
  })

  test('has its addresses filled in, is frozen, and comes back from where it is sealed', () => {
    const { dialect } = spoken.client
    expect(dialect).toEqual({
      id: 'acme',
      requests: { refresh: { url: `${host}/renew` }, all: { headers: { 'X-Key': '{key}' } } },
      variables: { tenant: 'contoso', key: new Secret('secret-key-1') },
    })
    expect(Object.isFrozen(dialect?.requests?.refresh)).toBe(true)
    expect(Object.isFrozen(dialect?.variables)).toBe(true)
    expect(JSON.stringify(spoken)).not.toContain('secret-key-1')
    const back: GrantDefinition = readDefinition(writeDefinition(spoken))
    expect(back).toEqual(spoken)
    const { key } = back.client.dialect?.variables ?? {}
    expect(key instanceof Secret && key.reveal()).toBe('secret-key-1')
  })

  test('does not change with the profile it was made of', () => {
    const changing = { refresh: { url: 'https://a.example.com/renew', parameters: { a: '1' } } }
    const { client } = refreshToken({ ...login, profile: { ...profile, requests: changing } })
    changing.refresh.url = 'https://evil.example/renew'
    changing.refresh.parameters.a = '2'
    expect(client.dialect?.requests?.refresh).toEqual({
      url: 'https://a.example.com/renew',
      parameters: { a: '1' },
    })
  })
})

describe('variables that do not fit are refused at once', () => {
  const refusal = (variables: Record<string, string | Secret> | undefined, of: ProviderProfile = profile) => {
    try {
      refreshToken({ ...login, profile: of, variables })
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_configuration' })
      const { message, advice } = error as Error & { advice?: string }
      return `${message} | ${advice}`
    }
    return ''
  }

  test('one that is missing, with what it is', () => {
    expect(refusal(undefined)).toBe(
      'profile acme needs the variable tenant: the first part of the address of your company | Write tenant like this: contoso',
    )
  })

  test('one that nobody asked for', () => {
    expect(refusal({ tenant: 'a', tennant: 'b' })).toBe(
      'profile acme has no variable "tennant" | Its variables are tenant.',
    )
    expect(() => refreshToken({ ...login, profile: undefined, tokenUrl: host })).toThrow(
      'variables have no effect without a profile',
    )
  })

  test.each([
    'evil.example/',
    'a@evil',
    'x.evil.com#',
    'a%2e',
    'evil。com',
    'a:1',
    '',
    'a\n',
    'a'.repeat(1025),
  ])('%j in place of a tenant, which is not shown', (tenant) => {
    const said = refusal({ tenant })
    expect(said).toMatch(/^the variable tenant of profile acme is not what it must be: the first part/)
    if (tenant.length > 1) expect(said).not.toContain(tenant)
    expect(refusal({ tenant: new Secret(`${tenant}/`) })).toMatch(/^the variable tenant of profile acme/)
  })

  test('a host that is none of those that it may be, though the pattern lets it pass', () => {
    const variables = {
      dc: { description: 'the data centre', hosts: ['accounts.zoho.com', 'accounts.zoho.eu'] },
    }
    const zoho = { id: 'zoho', name: 'Zoho', token_url: 'https://{dc}/oauth/v2/token', variables }
    expect(refusal({ dc: 'accounts.zoho.eu' }, zoho)).toBe('')
    expect(refusal({ dc: 'evil.example' }, zoho)).toBe(
      'the variable dc of profile zoho makes a host that is not allowed: the data centre | ' +
        'Write dc so that the host is one of accounts.zoho.com, accounts.zoho.eu.',
    )
    const refreshing = { ...zoho, token_url: host, requests: { refresh: { url: 'https://{dc}/renew' } } }
    expect(refusal({ dc: 'evil.example' }, refreshing)).toContain(
      'the variable dc of profile zoho makes a host',
    )
  })

  test('a secret that would break a header', () => {
    const key = { description: 'the key', secret: true, pattern: '[^]*' }
    const keyed = {
      id: 'keyed',
      name: 'Keyed',
      token_url: host,
      variables: { key },
      requests: { all: { headers: { 'X-Key': '{key}' } } },
    }
    const said = refusal({ key: 'secret-1\r\nHost: evil' }, keyed)
    expect(said).toContain('the variable key of profile keyed cannot stand in the header X-Key')
    expect(said).not.toMatch(/secret-1|evil/)
  })
})
