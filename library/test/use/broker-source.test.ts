import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { InvalidScopeError, ReauthorizationRequiredError } from '../../src/errors.ts'
import { type BrokerSourceOptions, brokerSource } from '../../src/use/broker-source.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'
import { closedPort, httpServer } from '../oauth/servers.ts'

const minute = 60_000
const key = 'evt_very-secret-key'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }

const tokenOf = (generation: number, more: object = {}): Answer =>
  json(200, {
    access_token: `token-${generation}`,
    token_type: 'Bearer',
    // A broker whose clock is years behind.
    expires_at: '2001-01-01T00:00:00.000Z',
    expires_in: 3600,
    scope: 'read write',
    generation,
    ...more,
  })

/** What a browser makes of a redirect that is not to be followed. */
const hidden = Object.defineProperty(Response.error(), 'type', { value: 'opaqueredirect' })

/** A broker that answers as the test says, and what it was asked. */
async function broker(options: Partial<BrokerSourceOptions> = {}) {
  const clock = new ControlledClock()
  const asked: { at: string; key: string | undefined; body: string }[] = []
  let answer: Answer = tokenOf(7)
  const url = await httpServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    asked.push({ at: `${request.method} ${request.url}`, key: request.headers.authorization, body })
    answer(request, response)
  })
  const source = brokerSource({ url, key, grant: 'billing', clock, random: () => 0.5, ...options })
  return {
    url,
    clock,
    asked,
    source,
    answerWith: (next: Answer) => {
      answer = next
    },
    failure: async (): Promise<Error & { code?: string; advice?: string }> =>
      source.getToken().then(
        () => new Error('it did not fail'),
        (error: Error) => error,
      ),
  }
}

describe('a broker source', () => {
  test('asks the broker once, with its key, and serves from memory until the token is soon to end', async () => {
    const { source, asked, clock, answerWith } = await broker()
    const tokens = await Promise.all(Array.from({ length: 50 }, () => source.getToken()))
    expect(asked).toEqual([{ at: 'GET /v1/grants/billing/token', key: `Bearer ${key}`, body: '' }])
    expect(new Set(tokens).size).toBe(1)
    expect(tokens[0]).toMatchObject({
      value: 'token-7',
      type: 'Bearer',
      generation: 7,
      scope: ['read', 'write'],
      // By what is left, not by the broker's clock.
      expiresAt: 1_800_003_600_000,
    })
    await clock.advance(40 * minute)
    await source.getToken()
    expect(asked).toHaveLength(1)
    answerWith(tokenOf(8))
    await clock.advance(15 * minute)
    await source.getToken()
    await expect.poll(() => source.peekToken()?.generation).toBe(8)
    expect(asked).toHaveLength(2)
  })

  test('asks for scope and resource as they are wanted', async () => {
    const { source, asked, answerWith } = await broker()
    const wanted = { scope: ['a', 'b'], resource: 'https://api.example/' }
    await source.getToken(wanted)
    await source.getToken({ scope: 'a' })
    const report = json(200, {})
    let heard: IncomingHttpHeaders = {}
    answerWith((request, response) => {
      heard = request.headers
      report(request, response)
    })
    await source.rejected({ generation: 7, ...wanted })
    expect(asked.map(({ at, body }) => [at, body])).toEqual([
      ['GET /v1/grants/billing/token?scope=a+b&resource=https%3A%2F%2Fapi.example%2F', ''],
      ['GET /v1/grants/billing/token?scope=a', ''],
      [
        'POST /v1/grants/billing/token/rejected',
        '{"generation":7,"scope":"a b","resource":"https://api.example/"}',
      ],
    ])
    expect(heard).toMatchObject({ accept: 'application/json', 'content-type': 'application/json' })
  })

  test('asks for a token that lives longer where a reader needs one', async () => {
    const { source, asked, clock, answerWith } = await broker()
    await source.getToken({ minTtl: 1000 })
    await clock.advance(45 * minute)
    answerWith(tokenOf(8))
    expect((await source.getToken({ minTtl: 1000.5 })).generation).toBe(8)
    expect(asked.map(({ at }) => at)).toEqual([
      'GET /v1/grants/billing/token',
      'GET /v1/grants/billing/token?min_ttl=1001',
    ])
  })

  test.each<[object, object]>([
    [{}, { type: 'Bearer', presentation: undefined, metadata: {} }],
    [{ token_type: 'MAC' }, { type: 'MAC' }],
    [{ header: 'X-Shop-Token', scheme: '' }, { presentation: { header: 'X-Shop-Token', scheme: '' } }],
    [{ header: 'X-Shop-Token' }, { presentation: { header: 'X-Shop-Token' } }],
    [{ scheme: 'OAuth' }, { presentation: { scheme: 'OAuth' } }],
    [
      { metadata: { instance_url: 'https://eu.example' } },
      { metadata: { instance_url: 'https://eu.example' } },
    ],
    [{ metadata: ['a'] }, { metadata: {} }],
  ])(
    'passes on how the API wants the token, and what else may be known of it: %j',
    async (said, expected) => {
      const { source, answerWith } = await broker()
      answerWith(tokenOf(7, said))
      const { type, presentation, metadata } = await source.getToken()
      expect({ type, presentation, metadata }).toMatchObject(expected)
    },
  )

  test('is sent by whatever it is told to', async () => {
    const source = brokerSource({
      url: 'https://tokens.example',
      key,
      grant: 'billing',
      fetch: async (url) => Response.json({ access_token: String(url), expires_in: 60, generation: 1 }),
    })
    expect((await source.getToken()).value).toBe('https://tokens.example/v1/grants/billing/token')
  })

  test('reports a refused generation once for all, and gives them the newer token', async () => {
    const { source, asked, answerWith } = await broker()
    await source.getToken()
    answerWith(tokenOf(8))
    const newer = await Promise.all([
      source.rejected({ generation: 7 }),
      source.rejected({ generation: 7 }),
      source.rejected({ generation: 7 }),
    ])
    expect(newer.map(({ value }) => value)).toEqual(['token-8', 'token-8', 'token-8'])
    expect(asked.slice(1)).toEqual([
      { at: 'POST /v1/grants/billing/token/rejected', key: `Bearer ${key}`, body: '{"generation":7}' },
    ])
  })

  test('serves its token while the broker is away, and goes on by itself when that is back', async () => {
    const { source, clock, answerWith, failure } = await broker()
    await source.getToken()
    answerWith((request) => request.socket.destroy())
    await clock.advance(50 * minute)
    for (let read = 0; read < 5; read++) expect((await source.getToken()).value).toBe('token-7')
    await clock.advance(9 * minute)
    expect((await clock.until(source.getToken())).value).toBe('token-7')
    await clock.advance(minute)
    expect(await failure()).toMatchObject({ code: 'broker_unreachable' })
    answerWith(tokenOf(8))
    await clock.advance(minute)
    expect((await source.getToken()).value).toBe('token-8')
  })

  test.each([
    'grant_revoked',
    'unknown_grant',
    'forbidden',
    'unauthorized',
    'grant_paused',
    'grant_quarantined',
  ])('gives out nothing more once the broker says %s', async (code) => {
    const { source, clock, answerWith, failure } = await broker()
    await source.getToken()
    answerWith(json(409, { code, detail: 'no more', advice: 'Look there.' }))
    await clock.advance(50 * minute)
    await source.getToken()
    await expect.poll(() => source.peekToken()).toBeUndefined()
    expect(await failure()).toMatchObject({ code, advice: 'Look there.' })
  })

  test('stands under a path of a larger site', async () => {
    const { url, asked } = await broker()
    await brokerSource({ url: `${url}/tokens`, key, grant: 'billing' }).getToken()
    expect(asked[0]?.at).toBe('GET /tokens/v1/grants/billing/token')
  })
})

describe('what a broker says is told by its code', () => {
  test('a consent that is needed again', async () => {
    const { answerWith, failure, url } = await broker()
    answerWith(
      json(409, {
        code: 'reauthorization_required',
        detail: 'grant billing: refused',
        grant: 'billing',
        advice: 'Consent.',
      }),
    )
    const error = await failure()
    expect(error).toBeInstanceOf(ReauthorizationRequiredError)
    expect(error).toMatchObject({
      code: 'reauthorization_required',
      message: `grant billing: refused (broker ${new URL(url).host})`,
      grant: 'billing',
      advice: 'Consent.',
    })
  })

  test('a scope that was refused', async () => {
    const { answerWith, failure } = await broker()
    answerWith(json(400, { code: 'invalid_scope', detail: 'no such scope' }))
    expect(await failure()).toBeInstanceOf(InvalidScopeError)
  })

  test('a wait that it asks for', async () => {
    const { source, answerWith, failure, asked, clock } = await broker({ random: () => 0 })
    answerWith(json(503, { code: 'token_unavailable', detail: 'not yet' }, { 'retry-after': '20' }))
    expect(await failure()).toMatchObject({ code: 'token_unavailable', retryAfter: 20 })
    await clock.advance(19_000)
    await failure()
    expect(asked).toHaveLength(1)
    answerWith(tokenOf(7))
    await clock.advance(1_000)
    expect((await source.getToken()).generation).toBe(7)
  })

  test.each<[string, Answer, string, RegExp]>([
    ['a 401 of whatever stands before it', json(401, 'no'), 'unauthorized', /it answered 401/],
    [
      'a code of a newer broker',
      json(409, { code: 'grant_dreaming', detail: 'zzz' }),
      'broker_unreachable',
      /zzz/,
    ],
    ['a page', (_, response) => response.end('<html>'), 'broker_unreachable', /200 with no JSON object/],
    ['a list', json(200, []), 'broker_unreachable', /200 with no JSON object/],
    [
      'no token',
      json(200, { access_token: 5, generation: 1, expires_in: 5 }),
      'broker_unreachable',
      /no token/,
    ],
    [
      'a token without its generation',
      json(200, { access_token: 'x', expires_in: 5 }),
      'broker_unreachable',
      /no token/,
    ],
    [
      'a token without its lifetime',
      json(200, { access_token: 'x', generation: 1 }),
      'broker_unreachable',
      /no token/,
    ],
    [
      'a page of whatever stands before it',
      (_, response) => response.writeHead(502).end('<html>'),
      'broker_unreachable',
      /^it answered 502 \(broker 127\.0\.0\.1:\d+\)$/,
    ],
    [
      'more than is bearable',
      json(200, { access_token: 'x'.repeat(300_000) }),
      'broker_unreachable',
      /no JSON object/,
    ],
    [
      'a redirect',
      (_, response) => response.writeHead(302, { location: 'http://evil.example' }).end(),
      'broker_unreachable',
      /never followed/,
    ],
    [
      'its key quoted',
      json(403, { code: 'forbidden', detail: `${key} may not` }),
      'forbidden',
      /\[secret\] may not/,
    ],
  ])('%s', async (_name, answer, code, said) => {
    const { answerWith, failure } = await broker()
    answerWith(answer)
    const error = await failure()
    expect(error).toMatchObject({ code, grant: 'billing', advice: expect.any(String) })
    expect(error.message).toMatch(said)
    expect(inspect(error, { depth: 9 })).not.toContain('very-secret')
  })

  test('nothing in time', async () => {
    // A part of a millisecond is none of a timer's.
    const { answerWith, failure, asked } = await broker({ deadline: 0.0995 })
    answerWith((_, response) => response.writeHead(200).write('{'))
    expect((await failure()).message).toMatch(/no whole answer within 100 ms/)
    expect(asked).toHaveLength(1)
  })

  test('in time, however long that may be', async () => {
    const { source } = await broker({ deadline: 1e9 })
    expect((await source.getToken()).value).toBe('token-7')
  })

  test.each<[string, () => Promise<Response>, string]>([
    ['a redirect that a browser hides', async () => hidden, 'it redirects, which is never followed'],
    ['an error without a code', () => Promise.reject(new Error('very-secret')), 'the request failed'],
  ])('%s', async (_, send, said) => {
    const source = brokerSource({ url: 'https://tokens.example', key, grant: 'billing', fetch: send })
    await expect(source.getToken()).rejects.toMatchObject({
      code: 'broker_unreachable',
      grant: 'billing',
      message: `the broker at https://tokens.example/ does not answer as one: ${said}`,
    })
  })

  test('nobody there', async () => {
    const { origin } = new URL(await closedPort())
    const source = brokerSource({ url: `${origin}?of=nobody#there`, key, grant: 'billing' })
    await expect(source.getToken()).rejects.toMatchObject({
      code: 'broker_unreachable',
      message: `the broker at ${origin}/ does not answer as one: ECONNREFUSED`,
      grant: 'billing',
      advice: expect.stringContaining('evertoken serve'),
    })
  })
})

describe('a broker source is refused at once', () => {
  const good = { url: 'https://tokens.example', key, grant: 'billing' }
  test.each<[object, string]>([
    [{ url: 'tokens.example' }, 'invalid_configuration'],
    [{ url: undefined }, 'invalid_configuration'],
    [{ url: 'https://user:password@tokens.example' }, 'invalid_configuration'],
    [{ url: 'http://tokens.example' }, 'insecure_http'],
    [{ key: '' }, 'empty_secret'],
    [{ grant: '../keys' }, 'invalid_grant_id'],
    [{ grant: '' }, 'invalid_grant_id'],
    [{ deadline: 0 }, 'invalid_configuration'],
    [{ refreshBefore: -5 }, 'invalid_configuration'],
  ])('for %j', (change, code) => {
    expect(() => brokerSource({ ...good, ...change } as BrokerSourceOptions)).toThrow(
      expect.objectContaining({ code }),
    )
  })
})
