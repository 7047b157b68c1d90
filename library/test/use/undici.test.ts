import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import {
  Agent,
  type Dispatcher,
  FormData,
  interceptors,
  MockAgent,
  request,
  fetch as undiciFetch,
  upgrade,
} from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TokenSource } from '../../src/grants/token.ts'
import {
  authorizationInterceptor,
  authorizedDispatcher,
  type UndiciAuthorizationOptions,
} from '../../src/use/undici.ts'
import { httpServer } from '../oauth/servers.ts'
import { givenUp, noReplacement, numberedSource } from './numbered-source.ts'
import { endlessNonces, practiceKey, refusingApi, second } from './refusing-api.ts'

function agent(source: TokenSource, options: UndiciAuthorizationOptions) {
  const plain = new Agent()
  onTestFinished(() => plain.close())
  return authorizedDispatcher(plain, source, options)
}

/** An API, and a dispatcher whose tokens are for it. */
async function authorized(...given: Parameters<typeof refusingApi>) {
  const at = await refusingApi(...given)
  return { ...at, dispatcher: agent(at.source, { origins: [at.api] }) }
}

describe('the interceptor of undici', () => {
  test.each<[string, Parameters<typeof request>[1]]>([
    ['nothing', {}],
    ['an object', { headers: { 'x-own': 'kept', AUTHORIZATION: 'Basic x' } }],
    ['a flat list', { headers: ['x-own', 'kept', 'authorization', 'Basic x'] }],
    ['pairs', { headers: new Map([['x-own', 'kept']]) }],
    ['a list of pairs', { headers: [['x-own', 'kept']] as unknown as string[] }],
    ['no value', { headers: { 'x-own': 'kept', 'x-none': undefined } }],
    ['null', { headers: null as unknown as string[] }],
  ])('sets the header beside %s', async (_, options) => {
    const { api, dispatcher, seen } = await authorized()
    const { statusCode, body } = await request(`${api}/users?page=2`, { ...options, dispatcher })
    expect([statusCode, await body.text()]).toEqual([200, 'ok '])
    expect(seen[0]).toMatchObject({ at: 'GET /users?page=2' })
    expect(seen[0]?.headers.authorization).toBe('Bearer token-1')
    expect(seen[0]?.headers['x-own']).toBe(options?.headers ? 'kept' : undefined)
    expect(seen[0]?.headers['x-none']).toBeUndefined()
  })

  test('sets the header beside one that has several values', async () => {
    const { api, dispatcher, seen } = await authorized()
    const headers = { 'x-own': ['kept', 'too'] }
    await (await request(api, { headers, dispatcher })).body.text()
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer token-1', 'x-own': 'kept, too' })
  })

  test('goes along where a connection becomes another protocol', async () => {
    const seen: (string | undefined)[] = []
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    server.on('upgrade', ({ headers }, socket) => {
      seen.push(headers.authorization)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhello')
    })
    await once(server, 'listening')
    const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { source } = numberedSource()
    const { socket } = await upgrade(api, { protocol: 'chat', dispatcher: agent(source, { origins: [api] }) })
    expect(await text(socket)).toBe('hello')
    expect(seen).toEqual(['Bearer token-1'])
  })

  test('reports a refused token, and sends the request once more', async () => {
    const { api, dispatcher, seen, tokens, rejected } = await authorized(second)
    const { statusCode, body } = await request(api, { method: 'POST', body: 'text', dispatcher })
    expect([statusCode, await body.text()]).toEqual([200, 'ok text'])
    expect([tokens(), rejected]).toEqual([['Bearer token-1', 'Bearer token-2'], [1]])
    expect(seen.map(({ body }) => body)).toEqual(['text', 'text'])
  })

  test('gives the API’s own answer, whole, when it refuses the second token too', async () => {
    const { api, dispatcher, tokens, rejected } = await authorized(() => false)
    const { statusCode, body, headers } = await request(api, { dispatcher })
    expect([statusCode, await body.text(), headers['www-authenticate']]).toEqual([
      401,
      'refused',
      'Bearer error="invalid_token"',
    ])
    expect([tokens().length, rejected]).toEqual([2, [1]])
  })

  test.each(noReplacement)(
    'gives the API’s own answer, whole, when the report of its token %s',
    async (_, without) => {
      const { api, source, tokens } = await refusingApi(() => false)
      const dispatcher = agent(without(source), { origins: [api] })
      const { statusCode, body } = await request(api, { dispatcher })
      expect([statusCode, await body.text(), tokens().length]).toEqual([401, 'refused', 1])
    },
  )

  const form = new FormData()
  form.set('a', 'b')
  test.each<[string, unknown, number]>([
    ['nothing', null, 2],
    ['bytes', Buffer.from('text'), 2],
    ['an array of bytes', new Uint8Array([1]), 2],
    ['a buffer', new Uint8Array([1]).buffer, 2],
    ['a Blob', new Blob(['text']), 2],
    ['a FormData', form, 2],
    ['an iterator', ['text'].values(), 1],
  ])('sends %s as often as it can be sent', async (_, body, sends) => {
    const { api, dispatcher, tokens, rejected } = await authorized(() => false)
    const answer = await request(api, { method: 'POST', body: body as string, dispatcher })
    expect([answer.statusCode, await answer.body.text()]).toEqual([401, 'refused'])
    expect([tokens().length, rejected]).toEqual([sends, [1]])
  })

  test('sends a stream once, and reports its token for the next request', async () => {
    const { api, dispatcher, tokens, rejected } = await authorized(second)
    const first = await request(api, { method: 'POST', body: Readable.from(['a', 'b']), dispatcher })
    expect([first.statusCode, await first.body.text(), rejected]).toEqual([401, 'refused', [1]])
    const next = await request(api, { dispatcher })
    expect([next.statusCode, await next.body.text()]).toEqual([200, 'ok '])
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-2'])
  })

  test('leaves requests to other origins as they are', async () => {
    const { other, dispatcher, tokens } = await authorized(() => false)
    const { statusCode, body } = await request(other, { dispatcher })
    expect([statusCode, await body.text(), tokens()]).toEqual([401, 'refused', [null]])
  })

  test('takes the token across no redirect, whatever its header is called', async () => {
    const { api, dispatcher, seen } = await authorized(() => true, { header: 'X-Shop-Token', scheme: '' })
    const following = dispatcher.compose(interceptors.redirect({ maxRedirections: 3 }))
    const { body } = await request(`${api}/moved`, { dispatcher: following })
    await body.text()
    expect(seen.map(({ at, headers }) => [at, headers['x-shop-token']])).toEqual([
      ['GET /moved', 'token-1'],
      ['GET /there', undefined],
    ])
  })

  test('proves possession of a key, with the nonce that the API wants, and reports nothing for it', async () => {
    const accepts = ({ dpop }: IncomingHttpHeaders) => String(dpop).endsWith('n1')
    const { api, dispatcher, seen, rejected } = await authorized(accepts, practiceKey())
    const { statusCode, body } = await request(`${api}/users`, { method: 'PUT', body: 'text', dispatcher })
    expect([statusCode, await body.text(), rejected]).toEqual([200, 'ok text', []])
    expect(seen.map(({ headers }) => headers.dpop)).toEqual(['PUT /users none', 'PUT /users n1'])
  })

  test('behind a nonce a token that is refused for itself is replaced', async () => {
    const { api, dispatcher, tokens, rejected } = await authorized(second, practiceKey())
    const { statusCode, body } = await request(api, { dispatcher })
    expect([statusCode, await body.text(), rejected]).toEqual([200, 'ok ', [1]])
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2'])
  })

  test('sends a stream once also where the API wants a nonce', async () => {
    const { api, dispatcher, tokens, rejected } = await authorized(() => false, practiceKey())
    const answer = await request(api, { method: 'POST', body: Readable.from(['a']), dispatcher })
    expect([answer.statusCode, await answer.body.text(), tokens().length]).toEqual([401, 'refused', 1])
    expect(rejected).toEqual([])
  })

  test.each(endlessNonces)(
    'before an API that goes on asking for a nonce, %s, is sent no more than that is worth',
    async (_, key, sends) => {
      const { api, dispatcher, tokens, rejected } = await authorized(() => false, key)
      const { statusCode, body } = await request(api, { dispatcher })
      expect([statusCode, await body.text(), tokens().length, rejected]).toEqual([401, 'refused', sends, []])
    },
  )

  test('tells its handler what undici tells, and nothing of what was held back', async () => {
    const told = async (dispatcher: Dispatcher, origin: string): Promise<string[]> => {
      const events: string[] = []
      await new Promise((resolve) => {
        const handler = new Proxy<Dispatcher.DispatchHandler>(
          {},
          {
            has: () => true,
            get: (_, event) => () => {
              events.push(String(event))
              if (event === 'onResponseEnd') resolve(undefined)
            },
          },
        )
        dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler)
      })
      return events
    }
    const { api, dispatcher } = await authorized()
    const plain = new Agent()
    onTestFinished(() => plain.close())
    const events = await told(plain, api)
    expect(events).toContain('onResponseStart')
    expect(await told(dispatcher, api)).toEqual(events)
    const refusing = await authorized(second)
    const repeated = await told(refusing.dispatcher, refusing.api)
    expect(repeated.filter((event) => event.startsWith('onResponse'))).toEqual([
      'onResponseStarted',
      ...events.filter((event) => event.startsWith('onResponse')),
    ])
  })

  test('asks about the answer and its headers, and not about what only announces it', async () => {
    const api = await httpServer((_, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      response.writeHead(200, { 'x-sign': 'expired' }).end('ok')
    })
    const { source, rejected } = numberedSource()
    const asked: unknown[] = []
    const dispatcher = agent(source, {
      origins: [api],
      isRejected: ({ statusCode, headers }) => {
        asked.push([statusCode, headers['x-sign']])
        return true
      },
    })
    const { statusCode, body } = await request(api, { dispatcher })
    expect([statusCode, await body.text(), rejected]).toEqual([200, 'ok', [1]])
    expect(asked).toEqual([[200, 'expired']])
  })

  // It gives its answers whole, whoever would rather wait.
  test('stands before undici’s MockAgent as well', async () => {
    const { source, rejected } = numberedSource()
    const api = 'https://api.example'
    const mock = new MockAgent()
    onTestFinished(() => mock.close())
    mock.disableNetConnect()
    const reply = (status: number, authorization: string) =>
      mock.get(api).intercept({ path: '/', headers: { authorization } }).reply(status, `${status} whole`)
    reply(401, 'Bearer token-1')
    reply(200, 'Bearer token-2')
    reply(401, 'Bearer token-2')
    reply(401, 'Bearer token-3')
    const dispatcher = mock.compose(authorizationInterceptor(source, { origins: [api] }))
    for (const whole of ['200 whole', '401 whole'])
      expect(await (await request(api, { dispatcher })).body.text()).toBe(whole)
    expect(rejected).toEqual([1, 2])
    reply(401, 'Bearer token-3')
    const stuck = authorizationInterceptor(
      { ...source, rejected: () => source.getToken() },
      { origins: [api] },
    )
    expect(await (await request(api, { dispatcher: mock.compose(stuck) })).body.text()).toBe('401 whole')
    mock.assertNoPendingInterceptors()
  })

  test('stands behind undici’s fetch as well', async () => {
    const { api, dispatcher, tokens } = await authorized(second)
    const answer = await undiciFetch(api, { dispatcher })
    expect([answer.status, await answer.text(), tokens().length]).toEqual([200, 'ok ', 2])
  })

  test('lets a request end that is given up, also between two attempts', async () => {
    const { api, source } = await refusingApi(() => false)
    const over = new AbortController()
    const slow: TokenSource = {
      ...source,
      rejected: async (report) => {
        over.abort(new Error('no longer'))
        return source.rejected(report)
      },
    }
    const dispatcher = agent(slow, { origins: [api] })
    await expect(request(api, { dispatcher, signal: over.signal })).rejects.toThrow('no longer')
  })

  // Nothing is dispatched until there is a token, so that undici had nothing to give up: the caller waited for as long as the source did.
  test.each<[string, (over: AbortController, source: TokenSource) => TokenSource]>([
    ['a token', (over, source) => ({ ...source, getToken: (asked) => givenUp(over, asked?.signal) })],
    ['a newer token', (over, source) => ({ ...source, rejected: () => givenUp(over, undefined) })],
  ])('lets a request end that is given up while it waits for %s', async (_, waiting) => {
    const { api, source } = await refusingApi(() => false)
    const over = new AbortController()
    const dispatcher = agent(waiting(over, source), { origins: [api], minTtl: 30 })
    await expect(request(api, { dispatcher, signal: over.signal })).rejects.toThrow('no longer')
  })

  test('asks its source for a token that lives as long as is wanted', async () => {
    const { api, source, asked } = await refusingApi()
    const dispatcher = agent(source, { origins: [api], minTtl: 30 })
    const { signal } = new AbortController()
    await (await request(api, { dispatcher })).body.text()
    await (await request(api, { dispatcher, signal })).body.text()
    expect(asked).toEqual([{ minTtl: 30 }, { minTtl: 30, signal }])
  })

  test('lets a request end that is given up between two attempts, by whoever steered the first', async () => {
    const thrown = new Error('no longer')
    let steered: Dispatcher.DispatchController | undefined
    const proof = {
      heard: () => true,
      of: async () => {
        if (steered !== undefined) steered.abort(thrown)
        return 'none'
      },
    }
    const { api, dispatcher } = await authorized(() => false, { proof })
    const failed = new Promise<Error | number>((resolve) => {
      dispatcher.dispatch(
        { origin: api, path: '/', method: 'GET' },
        {
          onRequestStart: (controller) => {
            steered ??= controller
          },
          onResponseStart: (_, status) => resolve(status),
          onResponseError: (_, error) => resolve(error),
        },
      )
    })
    expect(await failed).toBe(thrown)
  })

  test('fails a request with what its handler throws at an answer that was held back', async () => {
    const { api, source } = await refusingApi(() => false)
    const dispatcher = agent({ ...source, rejected: () => source.getToken() }, { origins: [api] })
    const thrown = new Error('thrown')
    const failed = new Promise<Error>((resolve) => {
      const handler = {
        onResponseStart: () => {
          throw thrown
        },
        onResponseError: (_: unknown, error: Error) => resolve(error),
      }
      dispatcher.dispatch({ origin: api, path: '/', method: 'GET' }, handler)
    })
    expect(await failed).toBe(thrown)
  })

  test('fails a request with the error of its source', async () => {
    const { api, source, seen } = await refusingApi()
    const failure = new Error('no token')
    const broken: TokenSource = { ...source, getToken: () => Promise.reject(failure) }
    await expect(request(api, { dispatcher: agent(broken, { origins: [api] }) })).rejects.toBe(failure)
    const connecting = agent(source, { origins: ['http://127.0.0.1:1'] })
    await expect(request('http://127.0.0.1:1', { dispatcher: connecting })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
    expect(seen).toEqual([])
  })

  test('goes by the sign of refusal that it is given', async () => {
    const { api, source, tokens } = await refusingApi(second)
    const dispatcher = agent(source, { origins: [api], isRejected: ({ statusCode }) => statusCode === 403 })
    const { statusCode, body } = await request(api, { dispatcher })
    expect([statusCode, await body.text(), tokens().length]).toEqual([401, 'refused', 1])
  })

  test('hands on an answer of many megabytes', async () => {
    const { api, dispatcher } = await authorized(second)
    const large = 'x'.repeat(4 << 20)
    const { body } = await request(api, { method: 'PUT', body: large, dispatcher })
    expect((await text(body)).length).toBe(large.length + 3)
  })

  test('is refused without a source, and without origins', () => {
    expect(() => authorizationInterceptor(undefined as never, { origins: ['https://a.example'] })).toThrow(
      TypeError,
    )
    expect(() =>
      authorizationInterceptor({ getToken: () => {}, rejected: () => {} } as never, {} as never),
    ).toThrow('origins: is empty')
  })
})
