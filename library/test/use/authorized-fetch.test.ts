import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReauthorizationRequiredError } from '../../src/errors.ts'
import type { TokenPresentation, TokenSource } from '../../src/grants/token.ts'
import { authorizedFetch, withoutToken } from '../../src/use/authorized-fetch.ts'
import { practised } from '../grants/practised.ts'
import { givenUp, noReplacement, numberedSource } from './numbered-source.ts'

const api = 'https://api.example/users'

/** A source that counts, and an API that accepts what it is told to. */
function scripted(accepts: (authorization: string) => boolean = () => true) {
  const { source, asked, rejected } = numberedSource()
  const sent: { url: string; method: string; authorization: string; headers: Headers; body: string }[] = []
  const send: typeof fetch = async (input, init) => {
    const request = new Request(
      input,
      init?.body instanceof ReadableStream ? { ...init, duplex: 'half' } : init,
    )
    const authorization = request.headers.get('authorization') ?? ''
    sent.push({
      url: request.url,
      method: request.method,
      authorization,
      headers: request.headers,
      body: await request.text(),
    })
    return new Response('body', { status: accepts(authorization) ? 200 : 401 })
  }
  return { source, sent, asked, rejected, call: authorizedFetch(source, { fetch: send }), send }
}

describe('the header', () => {
  const shapes: [string, RequestInit | undefined][] = [
    ['nothing', undefined],
    ['no headers', {}],
    ['a plain object', { headers: { 'x-own': 'kept' } }],
    ['a header with a name as long', { headers: { 'x-own': 'kept', 'cache-control': 'kept' } }],
    ['Headers', { headers: new Headers({ 'x-own': 'kept' }) }],
    ['a list of pairs', { headers: [['x-own', 'kept']] }],
    ['a Map', { headers: new Map([['x-own', 'kept']]) as unknown as Headers }],
    ['an authorization of its own', { headers: { AUTHORIZATION: 'Basic x', 'x-own': 'kept' } }],
    [
      'a list with an authorization of its own',
      {
        headers: [
          ['AUTHORIZATION', 'Basic x'],
          ['x-own', 'kept'],
        ],
      },
    ],
    [
      'Headers with an authorization of their own',
      { headers: new Headers({ Authorization: 'Basic x', 'x-own': 'kept' }) },
    ],
  ]
  test.each(shapes)('is set beside %s', async (_name, init) => {
    const { call, sent } = scripted()
    await call(api, init)
    expect(sent).toHaveLength(1)
    expect(sent[0]?.authorization).toBe('Bearer token-1')
    const kept = new Headers(init?.headers)
    kept.delete('authorization')
    const { authorization, ...rest } = Object.fromEntries(sent[0]?.headers ?? [])
    expect([authorization, rest]).toEqual(['Bearer token-1', Object.fromEntries(kept)])
  })

  test('leaves the caller’s own objects as they were', async () => {
    const { call } = scripted()
    const headers = { 'x-own': 'kept' }
    const init = { headers, method: 'POST', body: 'a' }
    await call(api, init)
    expect(init).toEqual({ headers: { 'x-own': 'kept' }, method: 'POST', body: 'a' })
  })

  test('joins those of a Request, whose method and URL stay', async () => {
    const { call, sent } = scripted()
    await call(new Request(api, { method: 'DELETE', headers: { 'x-own': 'kept' } }))
    expect(sent[0]).toMatchObject({ url: api, method: 'DELETE', authorization: 'Bearer token-1' })
    expect(sent[0]?.headers.get('x-own')).toBe('kept')
    await call(new Request(api, { headers: { 'x-own': 'lost' } }), { headers: { 'x-other': 'kept' } })
    expect(sent[1]?.headers.get('x-own')).toBeNull()
    expect(sent[1]?.headers.get('x-other')).toBe('kept')
    await call(new URL(api))
    expect(sent[2]?.url).toBe(api)
  })

  test('carries the type that the provider said', async () => {
    const { send, sent } = scripted()
    await authorizedFetch(numberedSource('DPoP').source, { fetch: send })(api)
    expect(sent[0]?.authorization).toBe('DPoP token-1')
  })
})

describe('a refused token', () => {
  const second = (authorization: string): boolean => authorization === 'Bearer token-2'

  test('is reported with its generation, and the request sent once more with the newer one', async () => {
    const { call, sent, rejected } = scripted(second)
    const answer = await call(api, { method: 'PUT', body: 'text' })
    expect(answer.status).toBe(200)
    expect(rejected).toEqual([1])
    expect(sent.map(({ authorization, method, body }) => [authorization, method, body])).toEqual([
      ['Bearer token-1', 'PUT', 'text'],
      ['Bearer token-2', 'PUT', 'text'],
    ])
  })

  test('and whatever came with it is read no further', async () => {
    let given = 0
    const { source } = scripted()
    const unread: string[] = []
    const endless = (name: string) => new ReadableStream({ cancel: () => void unread.push(name) })
    const refusing: typeof fetch = async () => new Response(endless(`body ${++given}`), { status: 401 })
    const answer = await authorizedFetch(source, { fetch: refusing })(api)
    expect(unread).toEqual(['body 1'])
    await answer.body?.cancel()
    expect(unread).toEqual(['body 1', 'body 2'])
  })

  test('the second time gives the API’s own answer, and no third try', async () => {
    const { call, sent, rejected } = scripted(() => false)
    const answer = await call(api)
    expect([answer.status, await answer.text()]).toEqual([401, 'body'])
    expect(sent).toHaveLength(2)
    expect(rejected).toEqual([1])
  })

  test.each(noReplacement)(
    'whose report %s gives the API’s own answer, still readable',
    async (_, without) => {
      const { source, send, sent } = scripted(() => false)
      const answer = await authorizedFetch(without(source), { fetch: send })(api)
      expect([answer.status, await answer.text()]).toEqual([401, 'body'])
      expect(sent).toHaveLength(1)
    },
  )

  const bodies: [string, () => RequestInit['body'], boolean][] = [
    ['a text', () => 'text', true],
    ['an empty text', () => '', true],
    ['a form', () => new URLSearchParams({ a: '1' }), true],
    ['bytes', () => new Uint8Array([1, 2]), true],
    ['a Blob', () => new Blob(['text']), true],
    ['a FormData', () => new FormData(), true],
    ['null', () => null, true],
    ['a stream', () => new Blob(['text']).stream(), false],
    [
      'an async iterable',
      () =>
        (async function* () {
          yield new Uint8Array([1])
        })() as unknown as ReadableStream,
      false,
    ],
  ]
  test.each(bodies)('on a request with %s as its body: sent again %#', async (_name, body, again) => {
    const { source, rejected } = scripted()
    let sends = 0
    const refusing: typeof fetch = async () => {
      sends += 1
      return new Response(null, { status: 401 })
    }
    await authorizedFetch(source, { fetch: refusing })(api, { method: 'POST', body: body() ?? null })
    // Reported either way: where it cannot help this request it helps the next.
    expect([sends, rejected.length]).toEqual(again ? [2, 1] : [1, 1])
  })

  test('on a Request with a body is not sent again, on one without it is', async () => {
    const { call, sent } = scripted(() => false)
    await call(new Request(api, { method: 'POST', body: 'text' }))
    expect(sent).toHaveLength(1)
    await call(new Request(api))
    expect(sent).toHaveLength(3)
    await call(new Request(api, { method: 'POST', body: 'old' }), { body: 'new' })
    expect(sent.slice(3).map(({ body }) => body)).toEqual(['new', 'new'])
    // null beside a Request leaves it its own.
    await call(new Request(api, { method: 'POST', body: 'own' }), { body: null })
    expect(sent.slice(5).map(({ body }) => body)).toEqual(['own'])
  })

  test('is whatever the caller says it is', async () => {
    const { source } = scripted()
    let sends = 0
    const forbidding: typeof fetch = async () => {
      sends += 1
      return new Response(null, { status: sends === 1 ? 403 : 200 })
    }
    const call = authorizedFetch(source, { fetch: forbidding, isRejected: ({ status }) => status === 403 })
    expect((await call(api)).status).toBe(200)
    expect(sends).toBe(2)
  })
})

describe('an API that refuses every token', () => {
  test('is asked twice a call, costs one refresh for each generation, and its answer comes back', async () => {
    const { call, sent, rejected } = scripted(() => false)
    for (let count = 0; count < 3; count++) expect((await call(api)).status).toBe(401)
    expect(sent).toHaveLength(6)
    expect(rejected).toEqual([1, 2, 3])
  })

  test('asked by many at once, costs one refresh', async () => {
    const { call, rejected, source } = scripted(() => false)
    await Promise.all(Array.from({ length: 20 }, () => call(api)))
    expect(new Set(rejected)).toEqual(new Set([1]))
    expect((await source.getToken()).generation).toBe(2)
  })
})

describe('a grant that needs a person again', () => {
  test('in the middle of a stream lets that go on, and the next call says so', async () => {
    let over = false
    const dead = () => new ReauthorizationRequiredError('reauthorization_required', 'consent again')
    const { source } = numberedSource()
    const ending: TokenSource = {
      getToken: () => (over ? Promise.reject(dead()) : source.getToken()),
      rejected: () => Promise.reject(dead()),
    }
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const call = authorizedFetch(ending, { fetch: async () => new Response(readable) })
    const answer = await call(api)
    const writer = writable.getWriter()
    const reading = answer.text()
    await writer.write(new TextEncoder().encode('first, '))
    over = true
    await expect(call(api)).rejects.toMatchObject({ code: 'reauthorization_required' })
    await writer.write(new TextEncoder().encode('last'))
    await writer.close()
    expect(await reading).toBe('first, last')
  })
})

describe('a body that is gone', () => {
  test('is the error of fetch, and no token is reported for it', async () => {
    const { call, rejected } = scripted()
    const request = new Request(api, { method: 'POST', body: 'text' })
    await request.text()
    await expect(call(request)).rejects.toThrow(TypeError)
    expect(rejected).toEqual([])
  })
})

describe('a sign of refusal that stands in the body', () => {
  test('is read from a clone, and the answer reaches the caller whole', async () => {
    const { source, rejected } = scripted()
    const bodies = ['{"ok":false,"error":"token_expired"}', '{"ok":true}']
    const call = authorizedFetch(source, {
      fetch: async () => new Response(bodies.shift()),
      isRejected: async (response) => {
        const { error } = (await response.clone().json()) as { error?: string }
        return error === 'token_expired'
      },
    })
    expect(await (await call(api)).json()).toEqual({ ok: true })
    expect(rejected).toEqual([1])
  })
})

describe('how the provider wants the token', () => {
  test.each<[string, TokenPresentation, Record<string, string>]>([
    ['a scheme of its own', { scheme: 'OAuth' }, { authorization: 'OAuth token-1' }],
    ['no scheme', { scheme: '' }, { authorization: 'token-1' }],
    ['a header of its own', { header: 'X-Shop-Token', scheme: '' }, { 'x-shop-token': 'token-1' }],
    ['a header with the type before it', { header: 'X-Token' }, { 'x-token': 'Bearer token-1' }],
  ])('%s', async (_name, presentation, expected) => {
    const { send, sent } = scripted()
    await authorizedFetch(numberedSource('Bearer', presentation).source, { fetch: send })(api)
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual(expected)
  })

  test('leaves an Authorization of the caller beside a header of its own', async () => {
    const { send, sent } = scripted()
    const { source } = numberedSource('Bearer', { header: 'X-Shop-Token', scheme: '' })
    await authorizedFetch(source, { fetch: send })(api, {
      headers: { Authorization: 'Basic x', 'x-shop-TOKEN': 'mine' },
    })
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({
      authorization: 'Basic x',
      'x-shop-token': 'token-1',
    })
  })
})

describe('a request that is to be left alone', () => {
  test('goes as it is, and no token is asked for', async () => {
    const { call, sent, asked } = scripted(() => false)
    const answer = await call(api, { [withoutToken]: true, headers: { 'x-own': 'kept' } })
    expect([answer.status, sent.length, asked.length]).toEqual([401, 1, 0])
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({ 'x-own': 'kept' })
    await call(new Request(api), { [withoutToken]: true })
    await call(api, { [withoutToken]: false })
    expect(sent.map(({ authorization }) => authorization)).toEqual([
      '',
      '',
      'Bearer token-1',
      'Bearer token-2',
    ])
  })
})

describe('origins', () => {
  test('allows what it names, and refuses the rest before anything is sent or asked for', async () => {
    const { source, send, sent, asked } = scripted()
    const call = authorizedFetch(source, { fetch: send, origins: ['https://api.example'] })
    await call(api)
    await call(new URL(api))
    await call(new Request(api))
    for (const other of [
      'https://api.example.evil.example/',
      'http://api.example/',
      'https://api.example:8443/',
    ])
      await expect(call(other)).rejects.toMatchObject({
        code: 'invalid_request',
        message: `the token may not be sent to ${new URL(other).origin}`,
        advice: expect.stringContaining('origins'),
      })
    expect([sent.length, asked.length]).toEqual([3, 3])
    await call('https://other.example/', { [withoutToken]: true })
    expect(sent[3]?.authorization).toBe('')
  })

  test('sends the token nowhere else, however an address is written that begins like an allowed one', async () => {
    const written = fc
      .array(fc.constantFrom('/', '\\', '@', ':', '?', '#', '.', '%', '\t', ' ', '443', 'evil.example'))
      .map((parts) => parts.join(''))
    const { source, send, sent } = scripted()
    const call = authorizedFetch(source, { fetch: send, origins: ['https://api.example'] })
    const outcomes = { sent: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(written, async (rest) => {
        const count = sent.length
        await call(`https://api.example${rest}`).catch(() => undefined)
        outcomes[sent.length > count ? 'sent' : 'refused'] += 1
        for (const { url } of sent.slice(count)) expect(new URL(url).origin).toBe('https://api.example')
      }),
    )
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(0)
  })

  test.each([
    'api.example',
    'https://api.example/',
    'https://API.example',
    'https://api.example/v1',
    'file://x',
    'ftp://api.example',
    '',
  ])('%j is none', (origin) => {
    const { source } = scripted()
    expect(() => authorizedFetch(source, { origins: [origin] })).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('origins') }),
    )
  })

  test('that are none at all are refused', () => {
    expect(() => authorizedFetch(scripted().source, { origins: [] })).toThrow('origins: is empty')
  })
})

describe('what is no source', () => {
  test.each([undefined, null, {}, 'token', { getToken: () => undefined }])(
    '%j is refused at once',
    (given) => {
      expect(() => authorizedFetch(given as unknown as TokenSource)).toThrow(
        new TypeError(
          "authorizedFetch takes a token source, which has getToken and rejected: keeper.source('name'), tokenSource(…), staticSource(…)",
        ),
      )
    },
  )

  test('a keeper in its place is told apart', async () => {
    const { keeper } = await practised()
    expect(() => authorizedFetch(keeper as unknown as TokenSource)).toThrow("keeper.source('its name')")
  })

  test('an error that is thrown and not rejected is the caller’s all the same', async () => {
    const throwing: TokenSource = {
      ...numberedSource().source,
      getToken: () => {
        throw new Error('thrown')
      },
    }
    await expect(authorizedFetch(throwing)(api)).rejects.toThrow('thrown')
  })

  test.each([
    ['nothing', undefined],
    ['an empty token', { value: '' }],
    ['a token with a line break', { value: 'very-secret\r\nX-Evil: 1' }],
    ['a token outside ASCII', { value: 'very-secret-ü' }],
  ])('%s is told, without the token in it, and nothing is sent', async (_name, given) => {
    const { send, sent } = scripted()
    const source = { getToken: async () => given, rejected: async () => given } as unknown as TokenSource
    const failure = authorizedFetch(source, { fetch: send })(api).catch((error: unknown) => error)
    const error = (await failure) as Error
    expect(error).toMatchObject({ code: 'token_unavailable', advice: expect.any(String) })
    expect(`${error.stack}${error.message}`).not.toContain('very-secret')
    expect(sent).toEqual([])
  })
})

describe('what the caller asks for', () => {
  test('minTtl goes to the source', async () => {
    const { source, send, asked } = scripted()
    await authorizedFetch(source, { fetch: send, minTtl: 30 })(api)
    await authorizedFetch(source, { fetch: send })(api)
    const { signal } = new AbortController()
    await authorizedFetch(source, { fetch: send, minTtl: 30 })(api, { signal })
    expect(asked).toEqual([{ minTtl: 30 }, undefined, { minTtl: 30, signal }])
  })

  // A caller who gave up waited on for fifteen seconds when there was no token.
  test.each<[string, (signal: AbortSignal) => [string | Request, RequestInit?]]>([
    ['beside a URL', (signal) => [api, { signal }]],
    ['in a Request', (signal) => [new Request(api, { signal })]],
  ])('a signal %s ends the wait for a token as well', async (_name, input) => {
    const { call, sent } = scripted()
    const reason = new Error('no longer')
    await expect(call(...input(AbortSignal.abort(reason)))).rejects.toBe(reason)
    expect(sent).toEqual([])
  })

  test('a signal that fires while a newer token is awaited ends that too', async () => {
    const { source, send } = scripted(() => false)
    const over = new AbortController()
    const waiting: TokenSource = { ...source, rejected: ({ signal }) => givenUp(over, signal) }
    const call = authorizedFetch(waiting, { fetch: send })
    await expect(call(api, { signal: over.signal })).rejects.toThrow('no longer')
  })

  test('an error of the source is the caller’s', async () => {
    const { source, send } = scripted()
    const broken: TokenSource = { ...source, getToken: () => Promise.reject(new Error('no token')) }
    await expect(authorizedFetch(broken, { fetch: send })(api)).rejects.toThrow('no token')
  })
})

test('before a real API a revoked token is replaced by one refresh, for a hundred callers at once', async () => {
  const { keeper, server, run, service, tokenRequests } = await practised()
  await keeper.add('billing', service())
  const call = authorizedFetch(keeper.source('billing'))
  const first = await run(call(`${server.issuer}/api/whoami`))
  expect(await first.json()).toMatchObject({ client_id: 'practice-service' })
  const token = await run(keeper.getToken('billing'))
  server.revokeFamily(token.value)
  const answers = await run(
    Promise.all(Array.from({ length: 100 }, () => call(`${server.issuer}/api/whoami`))),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  await Promise.all(answers.map((answer) => answer.text()))
  expect(tokenRequests()).toHaveLength(2)
})
