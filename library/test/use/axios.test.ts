import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import axios from 'axios'
import { describe, expect, test } from 'vitest'
import type { TokenSource } from '../../src/grants/token.ts'
import { authorizeAxios, leftAlone } from '../../src/use/axios.ts'
import { practiceKey, refusingApi, second } from './refusing-api.ts'

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

  test('gives the API’s own error when there is no newer token', async () => {
    const { api, source, tokens } = await refusingApi(() => false)
    const client = axios.create({ baseURL: api })
    authorizeAxios(client, { ...source, rejected: () => Promise.reject(new Error('no token')) })
    await expect(client.get('/')).rejects.toMatchObject({ response: { status: 401 } })
    expect(tokens()).toHaveLength(1)
  })

  test('sends a stream once, and reports its token for the next request', async () => {
    const { client, tokens, rejected } = await authorized(second)
    await expect(client.post('/', Readable.from(['a']))).rejects.toMatchObject({ response: { status: 401 } })
    expect(rejected).toEqual([1])
    expect((await client.get('/')).status).toBe(200)
    expect(tokens()).toEqual(['Bearer token-1', 'Bearer token-2'])
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
    await client.get('/moved', { beforeRedirect: ({ path }) => own.push(path) })
    expect(seen.map(({ at, headers }) => [at, headers['x-shop-token']])).toEqual([
      ['GET /moved', 'token-1'],
      ['GET /there', undefined],
    ])
    expect(own).toEqual(['/there'])
  })

  test('proves possession of a key, with the nonce that the API wants, and reports nothing for it', async () => {
    const accepts = ({ dpop }: IncomingHttpHeaders) => String(dpop).endsWith('n1')
    const { client, seen, rejected } = await authorized(accepts, practiceKey())
    expect((await client.put('/users', 'text')).data).toBe('ok text')
    expect(seen.map(({ headers }) => headers.dpop)).toEqual(['PUT /users none', 'PUT /users n1'])
    expect(rejected).toEqual([])
  })

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
