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
    const refresh = { url: 'https://acme.example.com/renew', body: 'json' } as const
    const renewing = { ...login, profile: { ...profile, requests: { refresh } } }
    expect(refreshToken(renewing).client.dialect?.requests).toEqual({ refresh })
    expect(refreshToken({ ...renewing, issuer: 'https://other.example' }).client.dialect?.requests).toEqual({
      refresh: { body: 'json' },
    })
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
    ['no rotation alone does not', { rotation: 'never' }, {}, 'strict', 0],
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
    [
      'another fact that nobody checked',
      { replay_class: 'non_rotating' },
      facts('read', 'lifetimes.refresh_before'),
      'non_rotating',
      0,
    ],
  ])('%s makes the replay class', (_, lifetimes, more, replayClass, reuseWindow) => {
    expect(withLifetimes(lifetimes, more).facts).toMatchObject({ replayClass, reuseWindow })
  })

  test('what an assertion says, with the variables filled in', () => {
    const assertion = {
      issuer: 'robot',
      key: { algorithm: 'HS256', key: 'a-secret-of-32-bytes-or-even-more' },
    } as const
    const said = { ...profile, assertion: { audience: 'https://{tenant}.acme.example.com', lifetime: 3600 } }
    const account = { profile: said, variables: { tenant: 'contoso' } }
    expect(jwtBearer({ ...account, assertion }).assertion).toMatchObject({ audience: host, lifetime: 3600 })
    expect(
      jwtBearer({ ...account, assertion: { ...assertion, audience: 'x', lifetime: 60 } }).assertion,
    ).toMatchObject({
      audience: 'x',
      lifetime: 60,
    })
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
