import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import axios from 'axios'
import { describe, expect, test } from 'vitest'
import type { TokenSource } from '../../src/grants/token.ts'
import { authorizeAxios, leftAlone } from '../../src/use/axios.ts'
import { givenUp, noReplacement } from './numbered-source.ts'
import { endlessNonces, practiceKey, refusingApi, second } from './refusing-api.ts'

/** An API, and an instance of axios whose tokens are for it. */
async function authorized(...given: Parameters<typeof refusingApi>) {
  const at = await refusingApi(...given)
  const client = axios.create({ baseURL: at.api })
  const off = authorizeAxios(client, at.source)
  return { ...at, client, off }
}

describe('an instance of axios with tokens', () => {
  test('sets the header beside those of the request', async () => {
    const { client, seen } = await authorized()
    const answer = await client.get('/users', {
      params: { page: 2 },
      headers: { 'X-Own': 'kept', Authorization: 'Basic x' },
    })
    expect(answer.data).toBe('ok ')
    expect(seen[0]).toMatchObject({ at: 'GET /users?page=2' })
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer token-1', 'x-own': 'kept' })
  })

  test('reports a refused token, and sends the request once more as it was', async () => {
    const { client, seen, tokens, rejected } = await authorized(second)
    const answer = await client.post('/users', { name: 'a "quoted" name' })
    expect(answer.data).toBe('ok {"name":"a \\"quoted\\" name"}')
    expect([tokens(), rejected]).toEqual([['Bearer token-1', 'Bearer token-2'], [1]])
    expect(seen[0]?.body).toBe(seen[1]?.body)
    expect(seen[1]?.headers['content-type']).toBe('application/json')
  })

  test('gives the API’s own error when it refuses the second token too', async () => {
    const { client, tokens, rejected } = await authorized(() => false)
    await expect(client.get('/')).rejects.toMatchObject({ response: { status: 401, data: 'refused' } })
    expect([tokens().length, rejected]).toEqual([2, [1]])
  })

  test.each(noReplacement)(
    'gives the API’s own error when the report of its token %s',
    async (_, without) => {
      const { api, source, tokens } = await refusingApi(() => false)
      const client = axios.create({ baseURL: api })
      authorizeAxios(client, without(source))
      await expect(client.get('/')).rejects.toMatchObject({ response: { status: 401 } })
      expect(tokens()).toHaveLength(1)
    },
  )

  test('sends a stream once, and reports its token for the next request', async () => {
    const { client, tokens, rejected } = await authorized(second)
    await expect(client.post('/', Readable.from(['a']))).rejects.toMatchObject({ response: { status: 401 } })
    expect(rejected).toEqual([1])
    expect((await client.get('/')).status).toBe(200)
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-2'])
    const stream = await authorized(() => false)
    const sent = stream.client.post('/', new Blob(['a']).stream(), { adapter: 'fetch' })
    await expect(sent).rejects.toMatchObject({ response: { status: 401 } })
    expect([stream.tokens().length, stream.rejected]).toEqual([1, [1]])
  })

  test('leaves other origins, and requests that are to be left alone, as they are', async () => {
    const { client, other, tokens } = await authorized()
    await client.get(`${other}/`)
    await client.get('/', { ...leftAlone })
    await client.get('/')
    expect(tokens()).toEqual([null, null, 'Bearer token-1'])
  })

  test('takes the token across no redirect, whatever its header is called', async () => {
    const { client, seen } = await authorized(() => true, { header: 'X-Shop-Token', scheme: '' })
    const own: unknown[] = []
    await client.get('/moved', {
      headers: { 'x-own': 'kept' },
      beforeRedirect: ({ path }) => own.push(path),
    })
    expect(seen.map(({ at, headers }) => [at, headers['x-shop-token'], headers['x-own']])).toEqual([
      ['GET /moved', 'token-1', 'kept'],
      ['GET /there', undefined, 'kept'],
    ])
    expect(own).toEqual(['/there'])
  })

  test('takes the token along where a redirect stays at its origin, and replaces it there', async () => {
    const { client, seen, tokens, rejected } = await authorized(second)
    expect((await client.get('/renamed')).data).toBe('ok ')
    expect(seen.map(({ at }) => at)).toEqual(['GET /renamed', 'GET /', 'GET /renamed', 'GET /'])
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2', 'Bearer token-2'])
    expect(rejected).toEqual([1])
  })

  // fetch takes Authorization away at another origin and nothing else, and lets nobody do it.
  test('takes the token across no redirect where fetch sends for axios either', async () => {
    const { api, source, seen } = await refusingApi(() => true, { header: 'X-Shop-Token', scheme: '' })
    const client = axios.create({ baseURL: api, adapter: 'fetch' })
    authorizeAxios(client, source)
    await expect(client.get('/moved')).rejects.toMatchObject({ code: 'ERR_NETWORK' })
    await expect(client.get('/moved', { fetchOptions: { redirect: 'follow' } })).rejects.toMatchObject({
      code: 'ERR_NETWORK',
    })
    await expect(client.get('/moved', { fetchOptions: { redirect: 'manual' } })).rejects.toMatchObject({
      response: { status: 307 },
    })
    expect(seen.map(({ at }) => at)).toEqual(['GET /moved', 'GET /moved', 'GET /moved'])
    const bearer = await refusingApi()
    const usual = axios.create({ baseURL: bearer.api, adapter: 'fetch' })
    authorizeAxios(usual, bearer.source)
    expect((await usual.get('/moved')).data).toBe('ok ')
    expect(bearer.tokens()).toEqual(['Bearer token-1', null])
  })

  test('reports no token for the refusal of an origin that never got it', async () => {
    const { client, tokens, rejected } = await authorized(({ authorization }) => authorization !== undefined)
    await expect(client.get('/moved')).rejects.toMatchObject({ response: { status: 401 } })
    expect([tokens(), rejected]).toEqual([['Bearer token-1', null], []])
  })

  // The headers of an attempt are those of its configuration, which error handlers send again elsewhere.
  test('takes its headers back from a configuration that is sent again to another origin', async () => {
    const { api, other, source, seen } = await refusingApi(
      ({ 'x-shop-token': token }) => token === 'token-9',
      { header: 'X-Shop-Token', scheme: '' },
    )
    const client = axios.create({ baseURL: api })
    authorizeAxios(client, source)
    const { config } = await client.get('/').catch((error: { config: object }) => error)
    await expect(client.request({ ...config, baseURL: other })).rejects.toMatchObject({
      response: { status: 401 },
    })
    expect(seen.map(({ headers }) => headers['x-shop-token'])).toEqual(['token-1', 'token-2', undefined])
  })

  test('reports a token that is refused when somebody sends a failed request again', async () => {
    const { api, source, tokens, rejected } = await refusingApi(second)
    const client = axios.create({ baseURL: api })
    let isRejected = false
    authorizeAxios(client, source, { isRejected: () => isRejected })
    const { config } = await client.get('/').catch((error: { config: object }) => error)
    isRejected = true
    expect((await client.request(config)).status).toBe(200)
    expect([tokens(), rejected]).toEqual([['Bearer token-1', 'Bearer token-1', 'Bearer token-2'], [1]])
  })

  test('proves possession of a key, with the nonce that the API wants, and reports nothing for it', async () => {
    const accepts = ({ dpop }: IncomingHttpHeaders) => String(dpop).endsWith('n1')
    const { client, seen, rejected } = await authorized(accepts, practiceKey())
    expect((await client.put('/users', 'text')).data).toBe('ok text')
    expect(seen.map(({ headers }) => headers.dpop)).toEqual(['PUT /users none', 'PUT /users n1'])
    expect(rejected).toEqual([])
  })

  test('behind a nonce a token that is refused for itself is replaced', async () => {
    const { client, tokens, rejected } = await authorized(second, practiceKey())
    expect((await client.get('/')).data).toBe('ok ')
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-2'])
    expect(rejected).toEqual([1])
  })

  test('sends a stream once also where the API wants a nonce', async () => {
    const { client, seen, rejected } = await authorized(() => false, practiceKey())
    await expect(client.post('/', Readable.from(['a']))).rejects.toMatchObject({ response: { status: 401 } })
    expect([seen.length, rejected]).toEqual([1, []])
  })

  test.each(endlessNonces)(
    'before an API that goes on asking for a nonce, %s, is sent no more than that is worth',
    async (_, key, sends) => {
      const { client, seen, rejected } = await authorized(() => false, key)
      await expect(client.get('/')).rejects.toMatchObject({ response: { status: 401 } })
      expect([seen.length, rejected]).toEqual([sends, []])
    },
  )

  test('goes by origins, minTtl and the sign of refusal that it is given', async () => {
    const { api, other, source, tokens, asked, rejected } = await refusingApi(() => false)
    const client = axios.create({ baseURL: api })
    authorizeAxios(client, source, {
      origins: [other],
      minTtl: 30,
      isRejected: ({ status }) => status === 403,
    })
    await expect(client.get('/')).rejects.toMatchObject({ response: { status: 401 } })
    await expect(client.get(`${other}/`)).rejects.toMatchObject({ response: { status: 401 } })
    expect([tokens(), asked, rejected]).toEqual([[null, 'Bearer token-1'], [{ minTtl: 30 }], []])
  })

  // A caller who gave up waited for as long as the source did, and was told something that axios.isCancel does not know.
  test.each<[string, (over: AbortController, source: TokenSource) => TokenSource]>([
    ['a token', (over, source) => ({ ...source, getToken: (request) => givenUp(over, request?.signal) })],
    ['a newer token', (over, source) => ({ ...source, rejected: (report) => givenUp(over, report.signal) })],
  ])(
    'a request that is given up while it waits for %s is cancelled as axios cancels',
    async (name, waiting) => {
      const { api, source, tokens } = await refusingApi(() => false)
      const over = new AbortController()
      const client = axios.create({ baseURL: api })
      authorizeAxios(client, waiting(over, source))
      const error = await client.get('/', { signal: over.signal }).catch((failure: unknown) => failure)
      expect([axios.isCancel(error), tokens().length]).toEqual([true, name === 'a token' ? 0 : 1])
    },
  )

  test('is as before once that is taken off', async () => {
    const { client, off, tokens } = await authorized()
    off()
    await client.get('/')
    expect(tokens()).toEqual([null])
  })

  test('fails a request with the error of its source, and passes on what is no answer', async () => {
    const { api, source } = await refusingApi()
    const client = axios.create({ baseURL: api })
    const broken: TokenSource = { ...source, getToken: () => Promise.reject(new Error('no token')) }
    const off = authorizeAxios(client, broken)
    await expect(client.get('/')).rejects.toThrow('no token')
    off()
    authorizeAxios(client, source, { origins: ['http://127.0.0.1:1'] })
    await expect(client.get('http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('is refused where nobody says where the token may go, and where it is no instance', async () => {
    const { source } = await refusingApi()
    expect(() => authorizeAxios(axios.create(), source)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('origins') }),
    )
    expect(() => authorizeAxios({} as never, source)).toThrow('an instance of axios')
    expect(() => authorizeAxios(axios.create(), {} as never)).toThrow('takes a token source')
  })
})
