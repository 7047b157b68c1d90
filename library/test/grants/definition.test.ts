import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  authorizationCode,
  type ClientCredentialsOptions,
  circuitKey,
  clientCredentials,
  type GrantDefinition,
  jwtBearer,
  providerName,
  readDefinition,
  refreshToken,
  writeDefinition,
} from '../../src/grants/definition.ts'
import { Secret } from '../../src/secret.ts'

const tokenUrl = 'https://auth.example.com/oauth/token'
const client = { tokenUrl, clientId: 'client-1' }
const secretText = 'client-secret-text'
const consent = { ...client, authorizationUrl: 'https://auth.example.com/authorize' }

const examples: Record<string, GrantDefinition> = {
  'client credentials': clientCredentials({
    ...client,
    clientSecret: secretText,
    scope: 'read write',
    resource: 'https://api.example.com',
    refreshBefore: 60,
    assumedLifetime: 600,
    parameters: { audience: 'api' },
    metadata: ['instance_url'],
  }),
  'an imported refresh token': refreshToken({
    ...client,
    refreshToken: secretText,
    replayClass: 'non_rotating',
  }),
  'a consent': authorizationCode({
    ...client,
    authorizationUrl: 'https://auth.example.com/authorize',
    authorizationParameters: { prompt: 'consent' },
  }),
  'a consent at a discovered issuer': authorizationCode({
    issuer: 'https://auth.example.com',
    clientId: 'a',
  }),
  'a service account': jwtBearer({
    tokenUrl,
    assertion: {
      issuer: 'service@example',
      claims: { scope: 'read', sub: null, nested: { list: [1, { deep: true }] } },
      header: { typ: 'JWT' },
      key: { algorithm: 'HS256', key: secretText, keyId: 'k1' },
    },
  }),
  'a login of which everything is known': refreshToken({
    ...client,
    refreshToken: secretText,
    replayClass: 'last_child_wins',
    reuseWindow: 30,
    quiescence: 60,
    oldTokenDies: true,
    canary: 'https://api.example.com/me',
    introspection: true,
    refreshTokenLifetime: 15_552_000,
    refreshTokenIdle: 604_800,
    refresh: 'on_demand',
    refreshRate: 0.5,
    revocationUrl: 'https://auth.example.com/oauth/revoke',
    introspectionUrl: 'https://auth.example.com/oauth/introspect',
  }),
  'a client for which a platform signs': clientCredentials({
    ...client,
    clientAssertionFile: '/var/run/secrets/tokens/provider',
  }),
  'a client with a key': clientCredentials({
    ...client,
    signingKey: { algorithm: 'ES256', key: new Secret(secretText) },
    clientAssertionAudience: ['https://auth.example.com', 'token_endpoint'],
  }),
}

/** With the texts of its secrets, to compare. */
const opened = (value: unknown): unknown => JSON.parse(writeDefinition(value as GrantDefinition))

describe.each(Object.entries(examples))('the definition of %s', (_name, definition) => {
  test('comes back as it was written, frozen, with its secrets', () => {
    const text = writeDefinition(definition)
    const read = readDefinition(text)
    expect(opened(read)).toEqual(opened(definition))
    expect(writeDefinition(read)).toBe(text)
    expect(Object.isFrozen(read)).toBe(true)
    expect(Object.isFrozen(read.client)).toBe(true)
    if (text.includes(secretText)) expect(inspect(read, { depth: 9 })).toContain('[secret]')
  })

  test('shows its secrets neither as JSON nor when inspected', () => {
    expect(JSON.stringify(definition)).not.toContain(secretText)
    expect(inspect(definition, { depth: 9, showHidden: true })).not.toContain(secretText)
  })
})

const text = fc.string({ minLength: 1, maxLength: 20 })

test('whatever the texts in it, a definition survives being written and read', () => {
  const options: fc.Arbitrary<ClientCredentialsOptions> = fc.record({
    tokenUrl: fc.webUrl({ validSchemes: ['https'] }),
    clientId: text,
    clientSecret: text.filter((secret) => secret.trim() !== ''),
    scope: fc.array(fc.stringMatching(/^[!#-[\]-~]{1,8}$/)),
    parameters: fc.dictionary(text, fc.string()),
    refreshBefore: fc.nat(),
  })
  fc.assert(
    fc.property(options, (written) => {
      const definition = clientCredentials(written)
      const read = readDefinition(writeDefinition(definition))
      expect(opened(read)).toEqual(opened(definition))
      expect(read.parameters).toEqual(written.parameters)
      const { authentication } = read.client
      expect('secret' in authentication && authentication.secret.reveal()).toBe(written.clientSecret)
    }),
  )
})

// { "$secret": … } is how a secret is written: parameters or claims of that shape came back as a secret.
test('members that look like a written secret stay what they are', () => {
  const parameters = { $secret: 'no secret' }
  expect(readDefinition(writeDefinition(clientCredentials({ ...client, parameters }))).parameters).toEqual(
    parameters,
  )
  const claims = { $secret: 'a', inner: { $secret: 'b' }, $$secret: 'c', list: [{ $secret: 'd' }] }
  const assertion = { issuer: 'i', claims, key: { algorithm: 'HS256', key: 'k' } } as const
  expect(readDefinition(writeDefinition(jwtBearer({ tokenUrl, assertion }))).assertion?.claims).toEqual(
    claims,
  )
})

test('scopes are a text or a list; order is kept', () => {
  expect(clientCredentials({ ...client, scope: ' read  write ' }).scope).toEqual(['read', 'write'])
  expect(clientCredentials({ ...client, scope: ['b', 'a'] }).scope).toEqual(['b', 'a'])
  expect(clientCredentials(client).scope).toEqual([])
})

test('what is minted does not rotate; a login is strict unless it says otherwise', () => {
  expect(Object.values(examples).map(({ grantType, facts }) => [grantType, facts.replayClass])).toEqual([
    ['client_credentials', 'non_rotating'],
    ['refresh_token', 'non_rotating'],
    ['authorization_code', 'strict'],
    ['authorization_code', 'strict'],
    ['jwt_bearer', 'non_rotating'],
    ['refresh_token', 'last_child_wins'],
    ['client_credentials', 'non_rotating'],
    ['client_credentials', 'non_rotating'],
  ])
})

describe('the facts of a login', () => {
  test('are in milliseconds, frozen, and the cautious ones where nothing is said', () => {
    expect(examples['a login of which everything is known']?.facts).toEqual({
      replayClass: 'last_child_wins',
      reuseWindow: 30_000,
      quiescence: 60_000,
      oldTokenDies: true,
      canary: 'https://api.example.com/me',
      introspection: true,
      refreshTokenLifetime: 15_552_000_000,
      refreshTokenIdle: 604_800_000,
      refresh: 'on_demand',
      refreshRate: 0.5,
    })
    const { facts } = refreshToken({ ...client, refreshToken: 'r' })
    expect(facts).toEqual({
      replayClass: 'strict',
      reuseWindow: 0,
      oldTokenDies: false,
      introspection: false,
      refresh: 'ahead',
    })
    expect(Object.isFrozen(facts)).toBe(true)
  })

  test('of a client hold for what it mints too, except that nothing there rotates', () => {
    const { facts } = clientCredentials({
      ...client,
      replayClass: 'fork',
      reuseWindow: 60,
      refreshRate: 3,
    })
    expect(facts).toMatchObject({ replayClass: 'non_rotating', reuseWindow: 0, refreshRate: 3 })
  })

  test('may rely on the introspection endpoint that an issuer names', () => {
    const { facts } = authorizationCode({ issuer: 'https://i.example', clientId: 'a', introspection: true })
    expect(facts.introspection).toBe(true)
  })
})

test('endpoints that are named stand beside the client, so that naming one more makes no other login', () => {
  const plain = refreshToken({ ...client, refreshToken: 'r' })
  const told = refreshToken({
    ...client,
    refreshToken: 'r',
    revocationUrl: 'https://auth.example.com/revoke',
    introspectionUrl: 'https://auth.example.com/introspect',
    deviceAuthorizationUrl: 'https://auth.example.com/device_authorization',
    pushedAuthorizationRequestUrl: 'https://auth.example.com/par',
    pushedAuthorization: true,
  })
  expect(told.client.provider).toEqual(plain.client.provider)
  expect(told.client).toMatchObject({
    revocationEndpoint: 'https://auth.example.com/revoke',
    introspectionEndpoint: 'https://auth.example.com/introspect',
    deviceAuthorizationEndpoint: 'https://auth.example.com/device_authorization',
    pushedAuthorizationRequestEndpoint: 'https://auth.example.com/par',
    pushedAuthorization: true,
  })
})

test('a consent needs no authorization endpoint where it has one for devices', () => {
  const { client: at } = authorizationCode({
    ...client,
    deviceAuthorizationUrl: 'https://auth.example.com/device',
  })
  expect(at.deviceAuthorizationEndpoint).toBe('https://auth.example.com/device')
})

test('grants share a circuit when provider and client are the same', () => {
  const key = circuitKey(clientCredentials(client))
  expect(key).toBe('auth.example.com\nclient-1')
  expect(circuitKey(clientCredentials({ ...client, scope: 'other' }))).toBe(key)
  expect(circuitKey(clientCredentials({ ...client, clientId: 'client-2' }))).not.toBe(key)
  expect(circuitKey(clientCredentials({ ...client, tokenUrl: 'https://b.example/token' }))).not.toBe(key)
})

test('a client authenticates by what it has', () => {
  const method = (more: Partial<ClientCredentialsOptions>) =>
    clientCredentials({ ...client, ...more }).client.authentication.method
  const signingKey = { algorithm: 'ES256', key: 'k' } as const
  expect(method({})).toBe('none')
  expect(method({ clientSecret: 's' })).toBe('client_secret_basic')
  expect(method({ signingKey })).toBe('private_key_jwt')
  expect(method({ clientAssertionFile: '/run/token' })).toBe('private_key_jwt')
  expect(method({ clientSecret: 's', signingKey })).toBe('private_key_jwt')
  expect(method({ clientSecret: 's', clientAuthentication: 'client_secret_jwt' })).toBe('client_secret_jwt')
})

describe('a client secret that is being rotated', () => {
  const authenticationOf = (clientSecret: ClientCredentialsOptions['clientSecret']) =>
    (opened(clientCredentials({ ...client, clientSecret })) as { client: { authentication: unknown } }).client
      .authentication
  const method = 'client_secret_basic'
  const held = (text: string) => ({ $secret: text })

  test('is a list of two, the one in use first', () => {
    const both = { method, secret: held('a'), secondSecret: held('b') }
    expect(authenticationOf(['a', 'b'])).toEqual(both)
    expect(authenticationOf([new Secret('a'), 'b'])).toEqual(both)
  })

  test('is written as ever where there is one: no stored definition changes', () => {
    const one = { method, secret: held('a') }
    for (const given of ['a', ['a'], ['a', 'a'], new Secret('a')])
      expect(authenticationOf(given)).toEqual(one)
  })
})

test('the provider is named by its issuer, or the host of its token endpoint', () => {
  expect(providerName(clientCredentials(client))).toBe('auth.example.com')
  expect(providerName(clientCredentials({ issuer: 'https://i.example', clientId: 'a' }))).toBe(
    'https://i.example',
  )
})

describe('a mistake is named, and no secret with it', () => {
  const bad: [string, () => GrantDefinition, string, RegExp][] = [
    [
      'no endpoint',
      () => clientCredentials({ clientId: 'a' }),
      'invalid_configuration',
      /issuer nor tokenUrl/,
    ],
    [
      'no URL',
      () => clientCredentials({ ...client, tokenUrl: 'auth' }),
      'invalid_configuration',
      /tokenUrl is not/,
    ],
    [
      'a strange scheme',
      () => clientCredentials({ ...client, tokenUrl: 'ftp://a' }),
      'invalid_configuration',
      /https/,
    ],
    [
      'an issuer over plain http',
      () => clientCredentials({ ...client, tokenUrl: undefined, issuer: 'http://auth.example' }),
      'insecure_http',
      /^issuer http:\/\/auth\.example is plain http$/,
    ],
    [
      'a token endpoint over plain http, whose path may hold a secret',
      () => clientCredentials({ ...client, tokenUrl: `http://localhost.example/${secretText}` }),
      'insecure_http',
      /^tokenUrl http:\/\/localhost\.example is plain http$/,
    ],
    [
      'a password in the URL',
      () => clientCredentials({ ...client, tokenUrl: `https://a:${secretText}@b` }),
      'invalid_configuration',
      /user name or password/,
    ],
    [
      'an empty secret',
      () => clientCredentials({ ...client, clientSecret: ' ' }),
      'empty_secret',
      /clientSecret/,
    ],
    [
      'no secret in a list',
      () => clientCredentials({ ...client, clientSecret: [] }),
      'invalid_configuration',
      /clientSecret is a list of 0/,
    ],
    [
      'three secrets',
      () => clientCredentials({ ...client, clientSecret: [secretText, 'b', 'c'] }),
      'invalid_configuration',
      /clientSecret is a list of 3/,
    ],
    [
      'an empty second secret',
      () => clientCredentials({ ...client, clientSecret: [secretText, ' '] }),
      'empty_secret',
      /clientSecret\[1\]/,
    ],
    [
      'a secret beside an assertion file',
      () => clientCredentials({ ...client, clientAssertionFile: '/run/token', clientSecret: secretText }),
      'invalid_configuration',
      /clientSecret has no effect with clientAssertionFile/,
    ],
    [
      'a key beside an assertion file',
      () =>
        clientCredentials({
          ...client,
          clientAssertionFile: '/run/token',
          signingKey: { algorithm: 'ES256', key: secretText },
        }),
      'invalid_configuration',
      /signingKey has no effect/,
    ],
    [
      'an audience of what somebody else signs',
      () => clientCredentials({ ...client, clientAssertionFile: '/run/token', clientAssertionAudience: 'a' }),
      'invalid_configuration',
      /clientAssertionAudience has no effect/,
    ],
    [
      'an assertion file for a method without assertions',
      () =>
        clientCredentials({
          ...client,
          clientAssertionFile: '/run/token',
          clientAuthentication: 'client_secret_post',
        }),
      'invalid_configuration',
      /clientAssertionFile has no effect with clientAuthentication client_secret_post/,
    ],
    ...['token', './token', '', '/', 'C:token', '/run/\0', `/${'a'.repeat(4096)}`].map(
      (file): [string, () => GrantDefinition, string, RegExp] => [
        `an assertion file at ${JSON.stringify(file.slice(0, 20))}`,
        () => clientCredentials({ ...client, clientAssertionFile: file }),
        'invalid_configuration',
        /clientAssertionFile is no whole path/,
      ],
    ),
    ...[[], '', ' ', 'a b', ['issuer\n'], 'a'.repeat(2049), Array(9).fill('a')].map(
      (audience): [string, () => GrantDefinition, string, RegExp] => [
        `an audience of ${JSON.stringify(audience).slice(0, 20)}`,
        () => clientCredentials({ ...client, clientSecret: 'a', clientAssertionAudience: audience }),
        'invalid_configuration',
        /clientAssertionAudience is (a list of|empty)/,
      ],
    ),
    [
      'an audience that is the issuer, and no issuer',
      () => clientCredentials({ ...client, clientSecret: 'a', clientAssertionAudience: ['issuer'] }),
      'invalid_configuration',
      /clientAssertionAudience is the issuer, and no issuer is given/,
    ],
    [
      'no client id',
      () => clientCredentials({ tokenUrl, clientId: '' }),
      'invalid_configuration',
      /clientId/,
    ],
    [
      'a secret that is missing',
      () => clientCredentials({ ...client, clientAuthentication: 'client_secret_post' }),
      'invalid_configuration',
      /needs a clientSecret/,
    ],
    [
      'a key that is missing',
      () => clientCredentials({ ...client, clientAuthentication: 'private_key_jwt' }),
      'invalid_configuration',
      /needs a signingKey/,
    ],
    [
      'a method nobody knows',
      () => clientCredentials({ ...client, clientAuthentication: 'telepathy' as 'none' }),
      'invalid_configuration',
      /telepathy/,
    ],
    [
      'a negative time',
      () => clientCredentials({ ...client, refreshBefore: -1 }),
      'invalid_configuration',
      /refreshBefore.*-1/,
    ],
    [
      'a time that is no number',
      () => clientCredentials({ ...client, assumedLifetime: Number.NaN }),
      'invalid_configuration',
      /assumedLifetime.*NaN/,
    ],
    // Every token would be born expired, and every read a refresh.
    [
      'an assumed life of no time',
      () => clientCredentials({ ...client, assumedLifetime: 0 }),
      'invalid_configuration',
      /assumedLifetime/,
    ],
    [
      'a replay class nobody knows',
      () => clientCredentials({ ...client, replayClass: 'sometimes' as 'strict' }),
      'invalid_configuration',
      /sometimes/,
    ],
    [
      'a class with a window, and no window',
      () => authorizationCode({ ...consent, replayClass: 'idempotent' }),
      'invalid_configuration',
      /idempotent needs a reuseWindow/,
    ],
    [
      'a window that no class uses',
      () => authorizationCode({ ...consent, reuseWindow: 30 }),
      'invalid_configuration',
      /reuseWindow has no effect.*strict/,
    ],
    // It would call a refresh token alive that was spent, and the replay would end the login.
    [
      'a canary where the old token lives on',
      () => authorizationCode({ ...consent, canary: 'https://api.example.com/me' }),
      'invalid_configuration',
      /canary says nothing/,
    ],
    [
      'a canary that is no address',
      () => authorizationCode({ ...consent, canary: 'me', oldTokenDies: true }),
      'invalid_configuration',
      /canary is not a URL/,
    ],
    [
      'introspection nowhere',
      () => authorizationCode({ ...consent, introspection: true }),
      'invalid_configuration',
      /introspectionUrl/,
    ],
    [
      'a rate of nothing',
      () => authorizationCode({ ...consent, refreshRate: 0 }),
      'invalid_configuration',
      /refreshRate.*0/,
    ],
    [
      'a refresh token that lives for no time',
      () => authorizationCode({ ...consent, refreshTokenIdle: 0 }),
      'invalid_configuration',
      /refreshTokenIdle/,
    ],
    [
      'a refresh at a strange time',
      () => authorizationCode({ ...consent, refresh: 'never' as 'ahead' }),
      'invalid_configuration',
      /never/,
    ],
    [
      'a password in the revocation endpoint',
      () => authorizationCode({ ...consent, revocationUrl: `https://a:${secretText}@b` }),
      'invalid_configuration',
      /revocationUrl holds/,
    ],
    ['a consent nowhere', () => authorizationCode(client), 'invalid_configuration', /authorizationUrl/],
    [
      'an empty refresh token',
      () => refreshToken({ ...client, refreshToken: '' }),
      'empty_secret',
      /refreshToken/,
    ],
    [
      'an assertion without issuer',
      () => jwtBearer({ tokenUrl, assertion: { issuer: '', key: { algorithm: 'HS256', key: secretText } } }),
      'invalid_configuration',
      /issuer/,
    ],
  ]
  test.each(bad)('%s', (_name, make, code, words) => {
    const error = (() => {
      try {
        make()
      } catch (thrown) {
        return thrown as Error
      }
      throw new Error('no mistake was seen')
    })()
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(words)
    expect(inspect(error)).not.toContain(secretText)
  })

  test('a value of the wrong type is a TypeError', () => {
    expect(() => clientCredentials({ ...client, clientSecret: 5 as unknown as string })).toThrow(TypeError)
    expect(() => clientCredentials({ ...client, clientAssertionFile: 5 as unknown as string })).toThrow(
      TypeError,
    )
    expect(() => clientCredentials({ ...client, clientAssertionAudience: [5] as unknown as string })).toThrow(
      TypeError,
    )
    expect(() => clientCredentials({ ...client, clientSecret: ['a', 5 as unknown as string] })).toThrow(
      TypeError,
    )
  })
})
