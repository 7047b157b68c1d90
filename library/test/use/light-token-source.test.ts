import { startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { GrantDefinition } from '../../src/grants/definition.ts'
import {
  authorizationCode,
  clientCredentials,
  jwtBearer,
  passwordCredentials,
  refreshToken,
} from '../../src/grants/definition.ts'
import type { Transport } from '../../src/oauth/transport.ts'
import { type LightTokenSourceOptions, tokenSource } from '../../src/use/light-token-source.ts'
import type { SavedTokens } from '../../src/use/saved-tokens.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'
import { newRefreshToken, type Script } from '../grants/practised.ts'
import { closedPort } from '../oauth/servers.ts'

const minute = 60_000

/** A light source before the practice server, both on one clock; it sends by the global fetch. */
async function light(
  make: (
    server: Awaited<ReturnType<typeof startPracticeServer>>,
  ) => GrantDefinition | Promise<GrantDefinition>,
  options: LightTokenSourceOptions = {},
) {
  const clock = new ControlledClock()
  let script: Script = () => undefined
  const server = await startPracticeServer({
    now: clock.now,
    respond: (request) => script(request),
    lifetimes: { accessToken: 3600 },
  })
  onTestFinished(() => server.stop())
  const source = tokenSource(await make(server), { clock, random: () => 0.5, ...options })
  return {
    clock,
    server,
    source,
    requests: () => server.requests.filter(({ path }) => path === '/token').length,
    answerWith: (next: Script) => {
      script = next
    },
    failure: (): Promise<Error> =>
      source.getToken().then(
        () => new Error('it did not fail'),
        (error: Error) => error,
      ),
  }
}

const secret = 'practice-service-secret'
const service = ({ tokenEndpoint }: { tokenEndpoint: string }) =>
  clientCredentials({ tokenUrl: tokenEndpoint, clientId: 'practice-service', clientSecret: secret })
const login = async (server: { tokenEndpoint: string; issuer: string }) =>
  refreshToken({
    tokenUrl: server.tokenEndpoint,
    clientId: 'practice-app',
    refreshToken: await newRefreshToken(server),
  })
const unread: Script = ({ path }) => (path === '/token' ? { status: 500, body: 'trouble' } : undefined)

describe('the token source without Node built-ins', () => {
  test('gives tokens of a service and refreshes them ahead of expiry, with one request for all', async () => {
    const { source, server, clock, requests } = await light(service)
    const tokens = await Promise.all(Array.from({ length: 50 }, () => source.getToken()))
    expect(new Set(tokens).size).toBe(1)
    expect(server.introspect(tokens[0]?.value ?? '')).toMatchObject({ active: true })
    expect(tokens[0]).toMatchObject({ generation: 1, expiresAt: clock.now() + 60 * minute })
    await clock.advance(50 * minute)
    await source.getToken()
    await expect.poll(() => source.peekToken()?.generation).toBe(2)
    expect(requests()).toBe(2)
  })

  test('gives tokens for an assertion, and for an issuer that is discovered once', async () => {
    const account = await light(({ tokenEndpoint }) =>
      jwtBearer({
        tokenUrl: tokenEndpoint,
        assertion: {
          issuer: 'practice-issuer',
          subject: 'robot',
          key: { algorithm: 'HS256', key: 'practice-issuer-secret-of-32-bytes-or-more' },
        },
      }),
    )
    const token = await account.source.getToken()
    expect(account.server.introspect(token.value)).toMatchObject({ active: true, sub: 'robot' })
    const found = await light(({ issuer }) =>
      clientCredentials({ issuer, clientId: 'practice-service', clientSecret: secret }),
    )
    await found.source.getToken()
    await found.source.rejected({ generation: 1 })
    const discoveries = found.server.requests.filter(({ path }) => path.includes('.well-known'))
    expect([found.requests(), discoveries.length]).toEqual([2, 1])
  })

  test('asks for a narrower scope as it is wanted', async () => {
    const { source, server } = await light(service)
    const token = await source.getToken({ scope: 'read' })
    expect(server.introspect(token.value)).toMatchObject({ scope: 'read' })
    expect(token.scope).toEqual(['read'])
  })

  test('presents the token as the profile says', async () => {
    const { source } = await light(({ tokenEndpoint }) =>
      clientCredentials({
        profile: { id: 'shop', name: 'Shop', token_url: tokenEndpoint, api: { scheme: 'OAuth' } },
        clientId: 'practice-service',
        clientSecret: secret,
      }),
    )
    expect((await source.getToken()).presentation).toEqual({ scheme: 'OAuth' })
  })

  test('tells a wrong secret and goes on asking, slower', async () => {
    const { failure, requests, clock } = await light(({ tokenEndpoint }) =>
      clientCredentials({
        tokenUrl: tokenEndpoint,
        clientId: 'practice-service',
        clientSecret: 'wrong-secret',
      }),
    )
    const error = await failure()
    const message = /^grant practice-service-at-127\.0\.0\.1: the provider refused the client/
    expect(error).toMatchObject({ code: 'invalid_client', message: expect.stringMatching(message) })
    expect(error).toMatchObject({ advice: expect.stringContaining('Check the client id') })
    expect(`${error.message}${error.stack}`).not.toContain('wrong-secret')
    await failure()
    expect(requests()).toBe(1)
    await clock.advance(minute)
    await failure()
    expect(requests()).toBe(2)
  })

  test('tells a provider that is not there', async () => {
    const tokenUrl = await closedPort()
    const { failure } = await light(() => clientCredentials({ tokenUrl, clientId: 'x', clientSecret: 'y' }))
    expect(await failure()).toMatchObject({
      code: 'provider_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})

describe('a refresh token', () => {
  test('that may rotate is refused without a place to save it', async () => {
    await expect(light(login)).rejects.toMatchObject({
      code: 'store_not_durable',
      advice: expect.stringContaining('save'),
    })
    const { source } = await light(login, { ephemeral: true })
    expect((await source.getToken()).generation).toBe(1)
  })

  test('is spent by one request at a time, and each new one is saved before anybody gets its token', async () => {
    const saved: SavedTokens[] = []
    let given = 0
    const { source, server } = await light(login, {
      save: async (tokens) => {
        expect(given).toBe(0)
        saved.push(tokens)
      },
    })
    const read = (scope?: string) => source.getToken(scope === undefined ? {} : { scope })
    const tokens = await Promise.all([read(), read('read'), read('write'), read()])
    given = tokens.length
    expect(tokens.every(({ value }) => server.introspect(value).active)).toBe(true)
    expect(saved).toHaveLength(3)
    expect(new Set(saved.map(({ refreshToken }) => refreshToken)).size).toBe(3)
    expect(saved[0]).toMatchObject({ accessToken: tokens[0]?.value, tokenType: 'Bearer' })
  })

  test('that could not be saved is saved at the next read, and no other is bought meanwhile', async () => {
    let broken = true
    const saved: SavedTokens[] = []
    const { source, failure, clock, requests } = await light(login, {
      save: async (tokens) => {
        if (broken) throw new Error('disk full')
        saved.push(tokens)
      },
    })
    expect(await failure()).toMatchObject({ code: 'store_unavailable', cause: { message: 'disk full' } })
    await clock.advance(minute)
    expect(await failure()).toMatchObject({ code: 'store_unavailable' })
    // One of them made the login.
    expect(requests()).toBe(2)
    broken = false
    await clock.advance(minute)
    const token = await source.getToken()
    expect([requests(), saved.map(({ accessToken }) => accessToken)]).toEqual([2, [token.value]])
  })

  test('that is refused is asked about twice more, and then a person is needed', async () => {
    const { failure, clock, requests, answerWith } = await light(login, { ephemeral: true })
    answerWith(({ path }) =>
      path === '/token'
        ? { status: 400, headers: { 'content-type': 'application/json' }, body: '{"error":"invalid_grant"}' }
        : undefined,
    )
    expect(await failure()).toMatchObject({ name: 'InvalidGrantError', code: 'invalid_grant' })
    await clock.advance(59_000)
    await failure()
    expect(requests()).toBe(2)
    await clock.advance(minute)
    expect(await failure()).toMatchObject({ code: 'invalid_grant' })
    await clock.advance(12 * minute)
    expect(await failure()).toMatchObject({
      name: 'ReauthorizationRequiredError',
      code: 'reauthorization_required',
      advice: expect.stringContaining('Hand in the refresh token of a new login'),
      cause: { code: 'invalid_grant' },
    })
    await clock.advance(60 * minute)
    expect(await failure()).toMatchObject({ code: 'reauthorization_required' })
    // One of them made the login.
    expect(requests()).toBe(4)
  })

  test('of a strict provider is left alone for two minutes when nobody knows what became of it', async () => {
    const { failure, clock, requests, answerWith, source } = await light(login, { ephemeral: true })
    answerWith(unread)
    await failure()
    await clock.advance(119_000)
    await failure()
    expect(requests()).toBe(2)
    answerWith(() => undefined)
    await clock.advance(30_000)
    expect((await source.getToken()).generation).toBe(1)
    expect(requests()).toBe(3)
  })
})

test('an issuer in a private network is asked where its client says so', async () => {
  const asked: unknown[] = []
  const transport: Transport = async ({ url, privateNetwork }) => {
    asked.push([new URL(url).pathname, privateNetwork])
    const body = url.endsWith('/token')
      ? '{"access_token":"inside","expires_in":60}'
      : '{"issuer":"https://10.0.0.1","token_endpoint":"https://10.0.0.1/token"}'
    return { status: 200, headers: { 'content-type': 'application/json' }, body }
  }
  const inside = { issuer: 'https://10.0.0.1', privateNetwork: true }
  const definition = clientCredentials({ ...inside, clientId: 'x', clientSecret: 'y' })
  expect((await tokenSource(definition, { transport }).getToken()).value).toBe('inside')
  expect(asked).toEqual([
    ['/.well-known/openid-configuration', true],
    ['/token', true],
  ])
})

describe('what cannot be', () => {
  test('a quiescence shorter than a request is waited for', () => {
    const grant = refreshToken({
      tokenUrl: 'https://provider.example/token',
      clientId: 'x',
      refreshToken: 'r',
      quiescence: 14,
    })
    expect(() => tokenSource(grant, { ephemeral: true })).toThrow(
      'quiescence (14 s) must be at least the 15 s',
    )
  })

  test('a consent', () => {
    const consent = authorizationCode({ issuer: 'https://provider.example', clientId: 'x' })
    expect(() => tokenSource(consent)).toThrow(expect.objectContaining({ code: 'invalid_configuration' }))
  })

  test('a login by password, for which nobody is asked', () => {
    const tokenUrl = 'https://provider.example/token'
    const definition = passwordCredentials({ tokenUrl, clientId: 'x' })
    expect(() => tokenSource(definition, { ephemeral: true })).toThrow('the login of a person needs a keeper')
  })

  // It was sent without a proof, and the token was bound to nothing.
  test('a key that tokens are bound to', () => {
    const tokenUrl = 'https://provider.example/token'
    const bound = clientCredentials({ tokenUrl, clientId: 'x', clientSecret: 'y', dpop: true })
    expect(() => tokenSource(bound)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('dpop') }),
    )
  })

  test.each([undefined, {}, 'https://provider.example'])('%j', (definition) => {
    expect(() => tokenSource(definition as never)).toThrow(TypeError)
  })
})
