import { afterEach, expect, test } from 'vitest'
import { fingerprint, type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { asks, basic, post } from './requests.ts'

let server: PracticeServer
afterEach(() => server.stop())

const service = basic('practice-service', 'practice-service-secret')

test('a client buys an access token that the protected resource accepts until it expires', async () => {
  let now = 1_800_000_000_000
  server = await startPracticeServer({ now: () => now, lifetimes: { accessToken: 60 } })
  const { status, headers, json } = await post(
    server,
    { grant_type: 'client_credentials', scope: 'read write' },
    service,
  )
  expect(status).toBe(200)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(json).toEqual({
    access_token: expect.stringMatching(/^practice_access_[\w-]{32}$/),
    token_type: 'Bearer',
    expires_in: 60,
    scope: 'read write',
  })
  now += 59_999
  expect(await asks(server, json.access_token)).toMatchObject({
    status: 200,
    json: { client_id: 'practice-service', sub: 'practice-service', scope: 'read write', expires_in: 0 },
  })
  now += 1
  const refused = await asks(server, json.access_token)
  expect(refused.status).toBe(401)
  expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"')
})

test('the record tells who asked for what and got which token, without the token', async () => {
  server = await startPracticeServer({ now: () => 1_800_000_000_000 })
  const { json } = await post(server, { grant_type: 'client_credentials' }, service)
  await asks(server, json.access_token)
  const token = fingerprint(String(json.access_token))
  expect(server.requests).toMatchObject([
    {
      number: 1,
      at: 1_800_000_000_000,
      method: 'POST',
      path: '/token',
      grantType: 'client_credentials',
      clientId: 'practice-service',
      clientAuthentication: 'client_secret_basic',
      accessToken: token,
      status: 200,
      outcome: 'issued',
    },
    { number: 2, path: '/api/whoami', presented: token, status: 200, outcome: 'accepted' },
  ])
  const page = await (await fetch(`${server.url}/practice/requests`)).text()
  expect(JSON.parse(page)).toEqual(JSON.parse(JSON.stringify(server.requests)))
  expect(page).not.toContain(json.access_token)
  expect(page).not.toContain('practice-service-secret')
})

test('each client may have its own lifetime of access tokens', async () => {
  const authentication = { method: 'client_secret_post', secret: 's' } as const
  server = await startPracticeServer({
    clients: [
      { clientId: 'a', authentication },
      { clientId: 'b', authentication, accessTokenLifetime: 20 },
      { clientId: 'c', authentication, accessTokenLifetime: 20 },
    ],
    lifetimes: { accessToken: 10, byClient: { c: 30 } },
  })
  const lifetimes = ['a', 'b', 'c'].map(async (client_id) => {
    const form = { grant_type: 'client_credentials', client_id, client_secret: 's' }
    return (await post(server, form)).json.expires_in
  })
  expect(await Promise.all(lifetimes)).toEqual([10, 20, 30])
})

test('a client gets no scope beyond what it is registered for', async () => {
  server = await startPracticeServer({
    clients: [
      {
        clientId: 'a',
        authentication: { method: 'client_secret_post', secret: 's' },
        scope: ['read', 'list'],
      },
    ],
  })
  const form = { grant_type: 'client_credentials', client_id: 'a', client_secret: 's' }
  expect((await post(server, form)).json.scope).toBe('read list')
  expect((await post(server, { ...form, scope: 'list' })).json.scope).toBe('list')
  for (const scope of ['read write', 'a"b', 'two  spaces'])
    expect(await post(server, { ...form, scope })).toMatchObject({
      status: 400,
      json: { error: 'invalid_scope' },
    })
})

test('a resource indicator becomes the audience of the token', async () => {
  server = await startPracticeServer()
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  form.append('resource', 'https://api.example/one')
  form.append('resource', 'https://api.example/two')
  const { json } = await post(server, form, service)
  expect(server.introspect(String(json.access_token))).toMatchObject({
    aud: ['https://api.example/one', 'https://api.example/two'],
  })
  expect(
    await post(server, { grant_type: 'client_credentials', resource: 'not a uri' }, service),
  ).toMatchObject({ status: 400, json: { error: 'invalid_target' } })
})
