import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { WireError } from '../../src/oauth/transport.ts'
import { fetchTransport } from '../../src/use/fetch-transport.ts'
import { closedPort, httpServer, post, rawServer } from '../oauth/servers.ts'

const send = fetchTransport()
const failure = (url: string, overrides = {}): Promise<WireError> =>
  send(post(url, overrides)).then(
    () => Promise.reject(new Error('it did not fail')),
    (error: WireError) => error,
  )
const answering = (answer: (response: ServerResponse) => void): Promise<string> =>
  httpServer((_, response) => answer(response))

describe('the transport over fetch', () => {
  test('sends the request as it is, and gives the answer whole', async () => {
    const url = await httpServer(async (request, response) => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      response.writeHead(418, { 'x-seen': String(request.headers['content-type']) })
      response.end(`${request.method} ${body} ü`)
    })
    const answer = await send(post(url, { body: 'a=1' }))
    expect(answer).toMatchObject({
      status: 418,
      body: 'POST a=1 ü',
      headers: { 'x-seen': 'application/x-www-form-urlencoded' },
    })
  })

  test('gives a redirect and does not follow it', async () => {
    const url = await answering((response) =>
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    )
    expect(await send(post(url))).toMatchObject({ status: 307, headers: { location: 'http://127.0.0.1:1/' } })
    const hidden = fetchTransport({ fetch: async () => ({ type: 'opaqueredirect', status: 0 }) as Response })
    expect(await hidden(post(url))).toEqual({ status: 302, headers: {}, body: '' })
  })

  test.each([
    ['ftp://provider.example/', false, 'local'],
    ['https://user:password@provider.example/', false, 'local'],
    ['http://provider.example/', false, 'insecure_http'],
  ])('sends nothing to %s', async (url, sent, reason) => {
    expect(await failure(url)).toMatchObject({ sent, reason })
  })

  test('says that nothing was sent where that is certain', async () => {
    expect(await failure(await closedPort())).toMatchObject({ sent: false, reason: 'refused' })
  })

  test('says that something may have been sent where nobody knows', async () => {
    const url = await rawServer((socket) => socket.destroy())
    expect(await failure(url)).toMatchObject({ sent: true, reason: 'reset' })
    const odd = fetchTransport({ fetch: () => Promise.reject(new Error('very-secret')) })
    const error = await odd(post('https://provider.example/')).catch((caught: unknown) => caught as WireError)
    expect(error).toMatchObject({ sent: true, reason: 'reset', message: 'no answer from provider.example' })
  })

  test.each([
    ['ECONNREFUSED', 'refused'],
    ['EHOSTUNREACH', 'refused'],
    ['ENETUNREACH', 'refused'],
    ['ENOTFOUND', 'name_not_found'],
    ['EAI_AGAIN', 'name_not_found'],
    ['UND_ERR_CONNECT_TIMEOUT', 'deadline'],
  ])('knows from %s that nothing was sent, unless there was an answer', async (code, reason) => {
    const failed = Object.assign(new TypeError('very-secret'), { cause: { code } })
    const url = 'https://provider.example/'
    const told = (send: typeof fetch) =>
      fetchTransport({ fetch: send })(post(url)).catch((error: unknown) => error)
    expect(await told(() => Promise.reject(failed))).toMatchObject({
      sent: false,
      reason,
      message: `${code} provider.example`,
    })
    const broken = new ReadableStream({ pull: () => Promise.reject(failed) })
    expect(await told(async () => new Response(broken))).toMatchObject({
      sent: true,
      reason: 'cut',
      status: 200,
      message: `the answer ends too early from provider.example (${code})`,
    })
  })

  test('sends nothing of a page along, and keeps nothing there', async () => {
    vi.stubGlobal('document', {})
    onTestFinished(() => void vi.unstubAllGlobals())
    const sent: RequestInit[] = []
    const send = fetchTransport({
      fetch: async (_, init) => {
        sent.push(init ?? {})
        return new Response('')
      },
    })
    const headers = { 'user-agent': 'evertoken', accept: 'application/json' }
    await send(post('https://provider.example/', { headers, body: 'a=1' }))
    vi.unstubAllGlobals()
    await send(post('https://provider.example/', { headers }))
    expect(sent[0]).toMatchObject({
      method: 'POST',
      body: 'a=1',
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    })
    expect([sent[0]?.headers, sent[1]?.headers]).toEqual([{ accept: 'application/json' }, headers])
    expect([sent[1]?.credentials, sent[1]?.cache]).toEqual([undefined, undefined])
  })

  test('ends at the deadline, also in the middle of a body', async () => {
    const silent = await rawServer(() => undefined)
    expect(await failure(silent, { deadline: 49.5 })).toMatchObject({ sent: true, reason: 'deadline' })
    const slow = await answering((response) => response.writeHead(200).write('{'))
    expect(await failure(slow, { deadline: 1_000 })).toMatchObject({
      sent: true,
      reason: 'deadline',
      status: 200,
    })
  })

  test.each<[string, (response: ServerResponse) => void, string]>([
    ['too much', (response) => response.end('x'.repeat(65_537)), 'too_large'],
    ['what is no UTF-8', (response) => response.end(Buffer.from([0xff, 0xfe])), 'bad_encoding'],
    [
      'less than it said',
      (response) => response.writeHead(200, { 'content-length': 9 }).write('x', () => response.destroy()),
      'cut',
    ],
  ])('takes no answer of %s', async (_name, answer, reason) => {
    expect(await failure(await answering(answer))).toMatchObject({ sent: true, reason, status: 200 })
  })

  test('takes an answer of just as much as it may have', async () => {
    const url = await answering((response) => response.end('x'.repeat(65_536)))
    expect((await send(post(url))).body).toHaveLength(65_536)
  })
})
