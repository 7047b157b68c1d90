import { connect as connectTcp } from 'node:net'
import { type PracticeServer, startPracticeServer } from '@evertoken/testing'
import { Keeper, memoryStore } from 'evertoken'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApiKey } from '../../src/broker/api-key.ts'
import { type RunningBroker, startBroker } from '../../src/broker/broker.ts'
import { grantDescription } from '../../src/config/grant-description.ts'
import { service } from './practised-broker.ts'
import { rawRequest } from './raw-connection.ts'

let practice: PracticeServer
let keeper: Keeper
let token: string
let broker: RunningBroker
let authorization: string

beforeAll(async () => {
  practice = await startPracticeServer()
  keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }) })
  await keeper.add('billing', service(practice))
  token = (await keeper.getToken('billing')).value
  authorization = `Authorization: Bearer ${(await createApiKey(keeper.store, { label: 'a', rights: 'administer' })).reveal()}`
  broker = await startBroker({
    keeper,
    grantDescription,
    host: '127.0.0.1',
    port: 0,
    limits: { headersTime: 300, requestTime: 600, idleTime: 400, check: 50 },
  })
})

afterAll(async () => {
  await broker.close()
  await keeper.close()
  await practice.stop()
})

const request = (line: string, ...headers: string[]) =>
  [line, 'Host: broker.example', ...headers, '', ''].join('\r\n')
const close = 'Connection: close'

/** Still there for everybody else. */
const alive = async () => expect((await fetch(`${broker.url}/healthz`)).status).toBe(200)

describe('somebody who is slow', () => {
  test('with the headers is cut off', async () => {
    function* forever() {
      for (;;) yield 'X-Slow: 1\r\n'
    }
    const answer = await rawRequest(broker.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n', { more: forever() })
    expect([answer.status, answer.head]).toEqual([408, expect.stringContaining('application/problem+json')])
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'invalid_request', status: 408 })
    expect(answer.ms).toBeGreaterThan(250)
    expect(answer.ms).toBeLessThan(3_000)
    await alive()
  })

  test('with the body is cut off', async () => {
    function* forever() {
      for (;;) yield ' '
    }
    const first = request(
      'POST /v1/grants HTTP/1.1',
      authorization,
      'Content-Type: application/json',
      'Content-Length: 60000',
    )
    const answer = await rawRequest(broker.port, first, { more: forever() })
    expect([0, 408]).toContain(answer.status)
    expect(answer.ms).toBeGreaterThan(500)
    expect(answer.ms).toBeLessThan(5_000)
    await alive()
  })

  test('and says nothing at all is cut off', async () => {
    const began = performance.now()
    await new Promise<void>((resolve) => {
      const socket = connectTcp(broker.port, '127.0.0.1')
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})

describe('a request that is too large', () => {
  test('in its headers', async () => {
    const answer = await rawRequest(
      broker.port,
      request('GET /healthz HTTP/1.1', `X-Large: ${'x'.repeat(20_000)}`),
    )
    expect(answer.status).toBe(431)
    expect(JSON.parse(answer.body).advice).toBe('The limit is 16 KiB.')
    await alive()
  })

  test('in its body, said before it comes', async () => {
    const head = request(
      'POST /v1/grants HTTP/1.1',
      authorization,
      'Content-Type: application/json',
      'Content-Length: 1000000000',
      close,
    )
    const answer = await rawRequest(broker.port, head)
    expect(answer.status).toBe(413)
    await alive()
  })

  test('in its body, which says nothing and does not end', async () => {
    function* chunks() {
      for (let i = 0; i < 100; i++) yield `2000\r\n${'x'.repeat(0x2000)}\r\n`
    }
    const head = request(
      'POST /v1/grants HTTP/1.1',
      authorization,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      close,
    )
    const answer = await rawRequest(broker.port, head, { more: chunks(), pause: 1 })
    expect(answer.status).toBe(413)
    await alive()
  })

  test('is not read at all from somebody without a key', async () => {
    const head = request(
      'POST /v1/grants HTTP/1.1',
      'Content-Type: application/json',
      'Content-Length: 1000000000',
      close,
    )
    expect((await rawRequest(broker.port, head)).status).toBe(401)
  })
})

describe('a method or address that is not ours', () => {
  test.each(['TRACE', 'OPTIONS', 'PUT', 'PATCH', 'HEAD', 'PROPFIND', 'QUERY'])(
    '%s finds nothing',
    async (method) => {
      const answer = await rawRequest(
        broker.port,
        request(`${method} /v1/grants/billing/token HTTP/1.1`, authorization, close),
      )
      // QUERY is newer than what the framework knows.
      expect(answer.status).toBe(method === 'QUERY' ? 400 : 404)
      expect(answer.body).not.toContain(token)
      // TRACE would repeat the headers, and with them the key.
      expect(answer.body + answer.head).not.toContain(authorization.slice(-20))
    },
  )

  test('CONNECT is not tunnelled', async () => {
    const answer = await rawRequest(
      broker.port,
      request('CONNECT 169.254.169.254:80 HTTP/1.1', authorization),
    )
    expect(answer.status).not.toBe(200)
    await alive()
  })

  test('an upgrade is not followed', async () => {
    const answer = await rawRequest(
      broker.port,
      request('GET /healthz HTTP/1.1', 'Connection: Upgrade, close', 'Upgrade: websocket'),
    )
    expect(answer.status).not.toBe(101)
  })

  test('an absolute address is answered by its path alone', async () => {
    const answer = await rawRequest(
      broker.port,
      request('GET http://evil.example/v1/grants/billing HTTP/1.1', authorization, close),
    )
    expect(answer.status).toBe(200)
    expect(answer.head + answer.body).not.toContain('evil.example')
  })

  test.each([
    '/v1/grants/../grants/billing/token',
    '/v1/grants/%2e%2e/token',
    '/v1/grants/./billing/token',
    '//v1/grants/billing/token',
    '/v1//grants/billing/token',
    '\\v1\\grants',
  ])('the path %s is not tidied up', async (path) => {
    const answer = await rawRequest(broker.port, request(`GET ${path} HTTP/1.1`, authorization, close))
    expect([400, 404]).toContain(answer.status)
    expect(answer.body).not.toContain(token)
  })

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['two lengths', 'POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    [
      'a length and chunks',
      'POST /v1/grants HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n'],
    ['a line end in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\nB: c\r\n\r\n'],
  ])('%s is refused', async (_, bytes) => {
    expect((await rawRequest(broker.port, bytes)).status).toBe(400)
    await alive()
  })
})

describe('every answer', () => {
  test.each([
    ['GET', '/v1/grants/billing/token', 200],
    ['GET', '/v1/grants', 200],
    ['GET', '/healthz', 200],
    ['GET', '/openapi.json', 200],
    ['GET', '/v1/grants/nobody', 404],
    ['GET', '/nothing', 404],
    ['GET', '/v1/grants/%E0/token', 400],
    ['GET', `/v1/grants/${'x'.repeat(200)}/token`, 414],
    ['POST', '/v1/grants', 400],
    ['GET', '/oauth/callback', 400],
    ['DELETE', '/v1/grants/nobody', 404],
    ['POST', '/oauth/token', 401],
    ['GET', '/oauth/token', 404],
    ['GET', '/.well-known/oauth-authorization-server', 200],
  ])('to %s %s is kept by nobody and open to no other origin', async (method, path, status) => {
    const answer = await fetch(`${broker.url}${path}`, {
      method,
      headers: { authorization: authorization.slice(15), origin: 'https://evil.example' },
    })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    expect(answer.headers.get('server')).toBeNull()
    expect(answer.headers.get('x-powered-by')).toBeNull()
  })
})
