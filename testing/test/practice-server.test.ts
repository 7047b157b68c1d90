import { request } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { basic, post } from './requests.ts'

let server: PracticeServer | undefined
afterEach(() => server?.stop())

const service = basic('practice-service', 'practice-service-secret')

test('its metadata is found under both well-known paths and matches its endpoints', async () => {
  server = await startPracticeServer()
  expect(server.issuer).toBe(`http://127.0.0.1:${server.port}`)
  for (const name of ['oauth-authorization-server', 'openid-configuration'])
    expect(await (await fetch(`${server.url}/.well-known/${name}`)).json()).toMatchObject({
      issuer: server.issuer,
      token_endpoint: server.tokenEndpoint,
      authorization_endpoint: server.authorizationEndpoint,
      introspection_endpoint: `${server.issuer}/introspect`,
      revocation_endpoint: `${server.issuer}/revoke`,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    })
})

test('its health page says that it is for practice', async () => {
  server = await startPracticeServer()
  expect(await (await fetch(`${server.url}/practice/health`)).json()).toEqual({
    practice: true,
    issuer: server.issuer,
    pid: process.pid,
    stateFile: null,
  })
  expect(server.requests).toEqual([])
})

describe('the token endpoint refuses', () => {
  const refuses = async (init: RequestInit, status: number, error: string): Promise<Response> => {
    server = await startPracticeServer()
    const answer = await fetch(server.tokenEndpoint, { method: 'POST', headers: service, ...init })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ error, error_description: expect.any(String) })
    expect(server.requests[0]).toMatchObject({ status, outcome: error })
    return answer
  }

  test('a GET', async () => {
    const answer = await refuses({ method: 'GET' }, 405, 'invalid_request')
    expect(answer.headers.get('allow')).toBe('POST')
  })

  test('JSON', async () => {
    const headers = { ...service, 'content-type': 'application/json' }
    await refuses({ headers, body: '{"grant_type":"client_credentials"}' }, 400, 'invalid_request')
  })

  test('no grant type, also when it is empty', async () => {
    await refuses({ body: new URLSearchParams({ grant_type: '' }) }, 400, 'invalid_request')
  })

  test('a parameter that stands twice', async () => {
    const body = new URLSearchParams('grant_type=client_credentials&scope=a&scope=b')
    await refuses({ body }, 400, 'invalid_request')
  })

  test('a grant type it does not know', async () => {
    await refuses({ body: new URLSearchParams({ grant_type: 'password' }) }, 400, 'unsupported_grant_type')
  })

  test('a grant type that the client is not registered for', async () => {
    const body = new URLSearchParams({ grant_type: 'authorization_code' })
    await refuses({ body }, 400, 'unauthorized_client')
  })

  test.each([65_536, 5_000_000])('a body of more than 64 KiB: %i', async (length) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'x'.repeat(length) })
    await refuses({ body }, 413, 'invalid_request')
  })
})

test('a request that is cut in its body is recorded as cut', async () => {
  const running = await startPracticeServer()
  server = running
  const cut = request(running.tokenEndpoint, { method: 'POST', headers: { 'content-length': '100' } })
  cut.on('error', () => undefined)
  cut.write('grant_type=')
  await expect.poll(() => running.requests).toHaveLength(1)
  cut.destroy()
  await expect.poll(() => running.requests[0]?.outcome).toBe('cut')
})

test('a request target that is no path is answered, not fatal', async () => {
  server = await startPracticeServer()
  const { port } = server
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.end('GET //[:::/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    )
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    socket.on('close', () => resolve(text))
  })
  expect(answer).toMatch(/^HTTP\/1.1 404 /)
})

test('the record keeps the newest requests up to its limit, and goes on counting', async () => {
  server = await startPracticeServer({ recordLimit: 3 })
  for (let count = 0; count < 10; count++) await fetch(`${server.url}/nothing`)
  expect(server.requests.map(({ number }) => number)).toEqual([8, 9, 10])
})

test('a protected resource without a token names the scheme and no error', async () => {
  server = await startPracticeServer()
  const answer = await fetch(`${server.url}/api/whoami`)
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="practice server"')
})

test('stop is idempotent, frees the port, and works by await using', async () => {
  const first = await startPracticeServer()
  await Promise.all([first.stop(), first.stop()])
  await first.stop()
  {
    await using second = await startPracticeServer({ port: first.port })
    expect(second.port).toBe(first.port)
  }
  await expect(fetch(first.url)).rejects.toThrow('fetch failed')
})

test('a taken port is said in so many words', async () => {
  server = await startPracticeServer()
  await expect(startPracticeServer({ port: server.port })).rejects.toMatchObject({
    code: 'port_taken',
    message: `port ${server.port} on 127.0.0.1 is taken`,
  })
})

test('an issuer of its own replaces host and port', async () => {
  server = await startPracticeServer({ issuer: 'http://practice.example:8080' })
  expect(server.tokenEndpoint).toBe('http://practice.example:8080/token')
  const target = { issuer: `http://127.0.0.1:${server.port}` }
  const { json } = await post(target, { grant_type: 'client_credentials' }, service)
  expect(server.introspect(String(json.access_token))).toMatchObject({ iss: 'http://practice.example:8080' })
})

const secret = { method: 'client_secret_post', secret: 's' } as const
test.each<[string, PracticeServerOptions | { lifetime: 1 }]>([
  ['unknown option lifetime', { lifetime: 1 }],
  ['port must be from 0 to 65535, not 70000', { port: 70_000 }],
  [
    'rotation must be strict, none, idempotent, last_child_wins or fork, not sometimes',
    { rotation: 'sometimes' as 'none' },
  ],
  ['accessToken must be a number of seconds above 0, not 0', { lifetimes: { accessToken: 0 } }],
  ['lifetimes.byClient names the unknown client x', { lifetimes: { byClient: { x: 1 } } }],
  ['the client a is given twice', { clients: [1, 2].map(() => ({ clientId: 'a', authentication: secret })) }],
  [
    'client a: the ES256 key cannot be read',
    {
      clients: [
        { clientId: 'a', authentication: { method: 'private_key_jwt', algorithm: 'ES256', key: '?' } },
      ],
    },
  ],
  [
    'client a: client_credentials needs an authentication',
    { clients: [{ clientId: 'a', authentication: { method: 'none' } }] },
  ],
  ['issuer must be an origin', { issuer: 'http://practice.example/path' }],
])('an option that makes no sense is refused: %s', async (message, options) => {
  await expect(startPracticeServer(options as PracticeServerOptions)).rejects.toThrow(message)
})
