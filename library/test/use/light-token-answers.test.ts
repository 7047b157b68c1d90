// What the token source without Node built-ins makes of each answer, and what it then sends.

import { describe, expect, test } from 'vitest'
import { clientCredentials, type GrantDefinition, refreshToken } from '../../src/grants/definition.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { type LightTokenSourceOptions, tokenSource } from '../../src/use/light-token-source.ts'
import type { SavedTokens } from '../../src/use/saved-tokens.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'

const minute = 60_000
const now = 1_800_000_000_000
const tokenUrl = 'https://provider.example/token'
const service = clientCredentials({ tokenUrl, clientId: 'c', clientSecret: 's', scope: ['read', 'write'] })
const login = (more: object = {}): GrantDefinition =>
  refreshToken({ tokenUrl, clientId: 'c', refreshToken: 'rt-0', scope: ['read', 'write'], ...more })

/** Answers in turn, an object with 200, a text as it is; the last one again and again. */
function answered(
  definition: GrantDefinition,
  answers: (object | string | [status: number, body: object, headers?: Record<string, string>])[],
  options: LightTokenSourceOptions = {},
) {
  const clock = new ControlledClock(now)
  const sent: WireRequest[] = []
  const saved: SavedTokens[] = []
  const transport: Transport = async (request) => {
    sent.push(request)
    const next = (answers.length > 1 ? answers.shift() : answers[0]) as (typeof answers)[number]
    const [status, body, headers = {}] = Array.isArray(next) ? next : [200, next]
    const type = { 'content-type': 'application/json' }
    return {
      status,
      headers: { ...type, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }
  }
  const save = async (tokens: SavedTokens): Promise<void> => void saved.push(tokens)
  const source = tokenSource(definition, { clock, transport, save, random: () => 0.5, ...options })
  const failure = (): Promise<{ code?: string; name?: string }> =>
    source.getToken().then(
      () => ({}),
      (error: { code?: string }) => error,
    )
  return {
    clock,
    source,
    sent,
    saved,
    failure,
    spent: () => sent.map(({ body }) => parameter(body, 'refresh_token')),
  }
}

const parameter = (body: string | undefined, name: string): string | null =>
  new URLSearchParams(body).get(name)
const jwt = (exp: number): string =>
  ['{"alg":"none"}', JSON.stringify({ iat: exp - 3600, exp }), 'x']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')
const invalidGrant: [number, object] = [400, { error: 'invalid_grant' }]

describe('a token', () => {
  test.each<[string, object, object, number]>([
    ['as the provider says', { access_token: 'a', expires_in: 60 }, {}, 60],
    ['as a JWT says', { access_token: jwt(now / 1000 + 120) }, {}, 120],
    [
      'as the provider says, whatever a JWT says',
      { access_token: jwt(now / 1000 + 120), expires_in: 60 },
      {},
      60,
    ],
    ['as is assumed, where a JWT says something that cannot be', { access_token: jwt(5) }, {}, 3300],
    ['as is assumed', { access_token: 'a' }, {}, 3300],
    ['as its grant assumes', { access_token: 'a' }, { assumedLifetime: 100 }, 100],
  ])('lives %s', async (_, answer, more, seconds) => {
    const { source } = answered({ ...service, ...more }, [{ token_type: 'Bearer', ...answer }])
    expect((await source.getToken()).expiresAt).toBe(now + seconds * 1000)
  })

  test.each<[string, object, string | undefined, string[]]>([
    ['was granted', { scope: 'read' }, undefined, ['read']],
    ['was granted of what was asked for', { scope: 'read' }, 'read write', ['read']],
    ['was asked for', {}, 'write', ['write']],
    ['its grant has', {}, undefined, ['read', 'write']],
  ])('has the scope that %s', async (_, answer, scope, expected) => {
    const { source, saved } = answered(service, [
      { access_token: 'a', token_type: 'Bearer', expires_in: 60, ...answer },
    ])
    expect((await source.getToken(scope === undefined ? {} : { scope })).scope).toEqual(expected)
    expect(saved[0]?.scope).toEqual(expected)
  })

  test('has what the grant allows of the answer, and is saved with that', async () => {
    const allowing = login({ metadata: ['instance_url'] })
    const answer = {
      access_token: 'a',
      token_type: 'MAC',
      expires_in: 60,
      scope: 'read write',
      refresh_token: 'rt-1',
    }
    const more = { instance_url: 'https://eu.example', account: 'secret' }
    const { source, saved } = answered(allowing, [{ ...answer, ...more }])
    expect(await source.getToken()).toMatchObject({
      type: 'MAC',
      metadata: { instance_url: 'https://eu.example' },
    })
    expect(saved).toEqual([
      {
        refreshToken: 'rt-1',
        accessToken: 'a',
        obtainedAt: now,
        expiresAt: now + minute,
        tokenType: 'MAC',
        scope: ['read', 'write'],
        metadata: { instance_url: 'https://eu.example' },
      },
    ])
  })

  test('keeps what the answer before had beside it and this one leaves out, and no token', async () => {
    const allowing = login({ metadata: ['instance_url', 'id', 'refresh_token'] })
    const answer = { access_token: 'a', token_type: 'Bearer', expires_in: 3600, refresh_token: 'rt-1' }
    const { source } = answered(allowing, [
      { ...answer, instance_url: 'https://eu.example', id: 5 },
      { ...answer, id: 6 },
    ])
    expect((await source.getToken()).metadata).toEqual({ instance_url: 'https://eu.example', id: 5 })
    expect((await source.rejected({ generation: 1 })).metadata).toEqual({
      instance_url: 'https://eu.example',
      id: 6,
    })
  })

  test('is renewed as its grant says', async () => {
    const early = { ...service, refreshBefore: 1200 }
    const { source, clock, sent } = answered(early, [
      { access_token: 'a', token_type: 'Bearer', expires_in: 3600 },
    ])
    await source.getToken()
    await clock.advance(39 * minute)
    await source.getToken()
    expect(sent).toHaveLength(1)
    await clock.advance(2 * minute)
    await source.getToken()
    await clock.advance(0)
    expect(sent).toHaveLength(2)
  })
})

describe('a refresh token', () => {
  const answer = { access_token: 'a', token_type: 'Bearer', expires_in: 60 }

  test('is the newest that came, with whichever answer', async () => {
    const { source, spent, saved } = answered(login(), [answer, { ...answer, refresh_token: 'rt-1' }, answer])
    await source.getToken()
    await source.getToken({ scope: 'read' })
    await source.getToken({ scope: 'write' })
    expect(spent()).toEqual(['rt-0', 'rt-0', 'rt-1'])
    expect(saved.map(({ refreshToken: kept }) => kept)).toEqual(['rt-0', 'rt-1', 'rt-1'])
  })

  test('that could not be saved is saved before a token of another scope is bought', async () => {
    let broken = true
    const order: string[] = []
    const { source, spent, failure } = answered(
      login(),
      [
        { ...answer, refresh_token: 'rt-1' },
        { ...answer, access_token: 'b', refresh_token: 'rt-2' },
      ],
      {
        save: async ({ refreshToken: kept }) => {
          if (broken) throw new Error('disk full')
          order.push(kept ?? '')
        },
      },
    )
    expect(await failure()).toMatchObject({ code: 'store_unavailable' })
    broken = false
    expect((await source.getToken({ scope: 'read' })).value).toBe('b')
    expect([spent(), order]).toEqual([
      ['rt-0', 'rt-1'],
      ['rt-1', 'rt-2'],
    ])
  })

  test('that came with an answer without an access token is the one to send, and at once', async () => {
    const { source, spent, failure, clock } = answered(login(), [{ refresh_token: 'rt-1' }, answer])
    expect(await failure()).toMatchObject({ code: 'provider_answer_unusable' })
    await clock.advance(5_000)
    expect((await source.getToken()).value).toBe('a')
    expect(spent()).toEqual(['rt-0', 'rt-1'])
  })

  test.each<[string, object, number]>([
    ['strict', {}, 120],
    ['strict, whose answers come late', { quiescence: 300 }, 300],
    ['idempotent', { replayClass: 'idempotent', reuseWindow: 60 }, 1],
  ])(
    'of a provider that is %s is left alone as long as that needs when there was no verdict',
    async (_, more, seconds) => {
      const { source, failure, clock, sent } = answered(login(more), [[500, {}], answer])
      expect(await failure()).toMatchObject({ code: 'provider_answer_unusable' })
      await clock.advance(seconds * 1000 - 1)
      await failure()
      expect(sent).toHaveLength(1)
      // And up to a fifth more.
      await clock.advance(seconds * 200 + 1_000)
      expect((await source.getToken()).value).toBe('a')
    },
  )

  test('that was refused once and then not is asked about anew', async () => {
    const { source, failure, clock, sent } = answered(login(), [
      invalidGrant,
      { ...answer, expires_in: 1 },
      invalidGrant,
      answer,
    ])
    await failure()
    await clock.advance(2 * minute)
    await source.getToken()
    await clock.advance(minute)
    expect(await failure()).toMatchObject({ code: 'invalid_grant' })
    await clock.advance(2 * minute)
    expect((await source.getToken()).value).toBe('a')
    expect(sent).toHaveLength(4)
  })

  test('for which the provider asks for a person is not sent again', async () => {
    const { failure, clock, sent } = answered(login(), [[400, { error: 'interaction_required' }], answer])
    const over = { name: 'ReauthorizationRequiredError', code: 'reauthorization_required' }
    expect(await failure()).toMatchObject(over)
    await clock.advance(60 * minute)
    expect(await failure()).toMatchObject(over)
    expect(sent).toHaveLength(1)
  })
})

describe('a provider', () => {
  const answer = { access_token: 'a', token_type: 'Bearer', expires_in: 60 }

  test('that refuses a service again and again is asked again and again', async () => {
    const { source, failure, clock } = answered(service, [
      invalidGrant,
      invalidGrant,
      invalidGrant,
      invalidGrant,
      answer,
    ])
    for (let refused = 0; refused < 4; refused++) {
      expect(await failure()).toMatchObject({ code: 'invalid_grant' })
      await clock.advance(15 * minute)
    }
    expect((await source.getToken()).value).toBe('a')
  })

  test('is left alone for as long as it says', async () => {
    const { source, failure, clock, sent } = answered(service, [
      [429, { error: 'slow_down' }, { 'retry-after': '90' }],
      answer,
    ])
    expect(await failure()).toMatchObject({ code: 'provider_error', retryAfter: 90 })
    await clock.advance(89_000)
    await failure()
    expect(sent).toHaveLength(1)
    await clock.advance(60_000)
    expect((await source.getToken()).value).toBe('a')
  })

  test('that is discovered is so again after an hour, over plain http where its client says so', async () => {
    const issuer = 'http://provider.example'
    const discovered = clientCredentials({ issuer, clientId: 'c', clientSecret: 's', insecureHttp: true })
    const metadata = { issuer, token_endpoint: `${issuer}/token` }
    const { source, clock, sent } = answered(discovered, [metadata, answer, answer, metadata, answer])
    for (const pass of [0, 50 * minute, 10 * minute]) {
      await clock.advance(pass)
      await source.getToken()
      await clock.advance(0)
    }
    expect(sent.map(({ url, insecureHttp }) => [new URL(url).pathname, insecureHttp])).toEqual([
      ['/.well-known/openid-configuration', true],
      ['/token', true],
      ['/token', true],
      ['/.well-known/openid-configuration', true],
      ['/token', true],
    ])
  })

  test('is asked through the fetch that is given', async () => {
    const asked: string[] = []
    const source = tokenSource(service, {
      fetch: async (input) => {
        asked.push(String(input))
        return Response.json(answer)
      },
    })
    expect([(await source.getToken()).value, asked]).toEqual(['a', [tokenUrl]])
  })
})

test.each([undefined, {}, { grantType: 'client_credentials' }, { client: {} }])(
  'what is no grant is refused by what it takes: %j',
  (definition) => {
    expect(() => tokenSource(definition as unknown as GrantDefinition)).toThrow(
      'tokenSource takes a grant: clientCredentials({…}), jwtBearer({…}), refreshToken({…})',
    )
  },
)
