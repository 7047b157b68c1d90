import { describe, expect, onTestFinished, test } from 'vitest'
import { type RecordedExchange, startPracticeServer } from '../src/practice-server.ts'

const now = 1_800_000_000_000

const exchange = {
  request: { path: '/renew', parameters: { token: 'r1', nonce: '*' }, headers: { 'x-key': 'k1' } },
  answer: { body: { fresh: 'a1' } },
} satisfies RecordedExchange

async function recorded(...exchanges: RecordedExchange[]) {
  const server = await startPracticeServer({ recorded: exchanges, now: () => now })
  onTestFinished(() => server.stop())
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(server.url + path, { method: 'POST', ...init })
    const type = answer.headers.get('content-type')
    return { status: answer.status, type, text: await answer.text() }
  }
  return { server, ask }
}

const form = (parameters: Record<string, string>, headers: Record<string, string> = { 'x-key': 'k1' }) => ({
  body: new URLSearchParams(parameters),
  headers,
})

describe('a recorded exchange', () => {
  test('answers the request that it names, and all other paths are as ever', async () => {
    const { server, ask } = await recorded(exchange)
    const answer = await ask('/renew', form({ token: 'r1', nonce: 'anything' }))
    expect(answer).toEqual({ status: 200, type: 'application/json', text: '{"fresh":"a1"}' })
    expect(server.requests.at(-1)).toMatchObject({ path: '/renew', status: 200, outcome: 'recorded' })
    const metadata = await ask('/.well-known/oauth-authorization-server', { method: 'GET' })
    expect(JSON.parse(metadata.text)).toMatchObject({ issuer: server.issuer })
  })

  test('answers so many requests, and then the next that fits', async () => {
    const busy = { ...exchange, answer: { status: 503, body: 'busy' }, times: 1 }
    const { ask } = await recorded(busy, exchange)
    const request = form({ token: 'r1', nonce: '1' })
    expect(await ask('/renew', request)).toEqual({
      status: 503,
      type: 'text/html; charset=utf-8',
      text: 'busy',
    })
    expect((await ask('/renew', request)).text).toBe('{"fresh":"a1"}')
    expect((await ask('/renew', request)).text).toBe('{"fresh":"a1"}')
  })

  test('takes parameters from the query of a GET and from the members of JSON', async () => {
    const parameters = { token: 'r1' }
    const { ask } = await recorded(
      { request: { method: 'GET', path: '/q', parameters }, answer: { body: 'query' } },
      { request: { body: 'json', path: '/j', parameters }, answer: { status: 201, body: 'json' } },
    )
    expect((await ask('/q?token=r1', { method: 'GET' })).text).toBe('query')
    const headers = { 'content-type': 'application/json' }
    expect(await ask('/j', { body: '{"token":"r1"}', headers })).toMatchObject({ status: 201, text: 'json' })
  })

  test('has moments in it that count from its answer', async () => {
    const body = { s: '{epoch_s+60}', ms: '{epoch_ms+60}', iso: '{iso8601+3600}', text: 'until {epoch_s+0}!' }
    const request = { path: '/at', parameters: {} }
    const { ask } = await recorded({ request, answer: { body } })
    expect(JSON.parse((await ask('/at', form({}))).text)).toEqual({
      s: now / 1000 + 60,
      ms: now + 60_000,
      iso: '2027-01-15T09:00:00.000Z',
      text: `until ${now / 1000}!`,
    })
  })
})

describe('a request that fits none on its path is told what was other, by name', () => {
  test.each<[string, string, RequestInit, string]>([
    ['a value', '/renew', form({ token: 'r2', nonce: 'n' }), 'the parameter token is another'],
    ['a missing one', '/renew', form({ token: 'r1' }), 'the parameter nonce is missing'],
    [
      'one too many',
      '/renew',
      form({ token: 'r1', nonce: 'n', 'client secret': 's3cret', id: 's3cret' }),
      'the parameter … is too many; the parameter id is too many',
    ],
    ['a header', '/renew', form({ token: 'r1', nonce: 'n' }, {}), 'the header x-key is missing'],
    ['the place', '/renew', { body: '{}', headers: { 'x-key': 'k1' } }, 'the body is no form'],
    ['a query beside the form', '/renew?v=1', form({ token: 'r1', nonce: 'n' }), 'there is a query'],
    [
      'the method',
      '/renew',
      { method: 'PUT', ...form({ token: 'r1', nonce: 'n' }) },
      'the method is not POST',
    ],
  ])('%s', async (_name, path, init, said) => {
    const { server, ask } = await recorded(exchange)
    const answer = await ask(path, init)
    expect(answer.status).toBe(501)
    expect(JSON.parse(answer.text)).toEqual({ error: 'unexpected_request', error_description: said })
    expect(server.requests.at(-1)).toMatchObject({ outcome: 'unexpected', reason: said, status: 501 })
  })

  test('of several by that which comes nearest, also where it was used up', async () => {
    const other = { ...exchange, request: { path: '/renew', parameters: { a: '1', b: '2', c: '3' } } }
    const { ask } = await recorded(other, { ...exchange, times: 1 })
    const request = form({ token: 'r1', nonce: 'n' })
    expect((await ask('/renew', request)).status).toBe(200)
    expect((await ask('/renew', request)).text).toContain('it was used up')
  })
})

test.each<[object, string]>([
  [{ ...exchange, answers: 2 }, 'recorded.0.answers is not known; there are request, answer, times'],
  [
    { ...exchange, request: { ...exchange.request, url: '/x' } },
    'recorded.0.request.url is not known; there are method, path, body, parameters, headers',
  ],
  [{ answer: exchange.answer }, 'recorded.0.request must be an object'],
  [{ ...exchange, request: { parameters: {} } }, 'recorded.0.request.path must begin with a slash'],
  [
    { ...exchange, request: { path: '/practice/truth', parameters: {} } },
    "recorded.0.request.path is one of the practice server's own",
  ],
  [
    { ...exchange, request: { ...exchange.request, method: 'PUT' } },
    'recorded.0.request.method must be POST or GET, not PUT',
  ],
  [
    { ...exchange, request: { ...exchange.request, body: 'xml' } },
    'recorded.0.request.body must be form, json or query, not xml',
  ],
  [
    { ...exchange, request: { ...exchange.request, method: 'GET', body: 'form' } },
    'recorded.0.request.body of a GET must be query',
  ],
  [{ ...exchange, request: { path: '/x' } }, 'recorded.0.request.parameters must be an object'],
  [
    { ...exchange, request: { path: '/x', parameters: { n: 1 } } },
    'recorded.0.request.parameters.n must be a text; * stands for any',
  ],
  [
    { ...exchange, request: { path: '/x', parameters: {}, headers: { Accept: '*' } } },
    'recorded.0.request.headers.Accept must be lower case',
  ],
  [
    { ...exchange, answer: { status: 99, body: '' } },
    'recorded.0.answer.status must be from 200 to 599, not 99',
  ],
  [{ ...exchange, answer: {} }, 'recorded.0.answer.body is missing'],
  [{ ...exchange, times: 0 }, 'recorded.0.times must be a whole number above 0, not 0'],
])('an exchange that makes no sense is refused at the start: %j', async (wrong, message) => {
  await expect(startPracticeServer({ recorded: [wrong as RecordedExchange] })).rejects.toThrow(
    new TypeError(message),
  )
})
