import { setTimeout as sleep } from 'node:timers/promises'
import { clientCredentials } from 'evertoken'
import { describe, expect, test, vi } from 'vitest'
import { person, practisedBroker, service } from './practised-broker.ts'

describe('GET /v1/grants/{id}/token', () => {
  test('gives a token that the API takes, with exactly these members', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const before = Date.now()
    const answer = await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    const body = answer.json()
    expect(Object.keys(body)).toEqual([
      'access_token',
      'token_type',
      'expires_at',
      'expires_in',
      'scope',
      'generation',
    ])
    expect(body).toMatchObject({ token_type: 'Bearer', scope: 'read write', generation: 1 })
    expect(practice.introspect(body.access_token)).toMatchObject({ active: true })
    const left = (Date.parse(body.expires_at) - Date.now()) / 1000
    expect(body.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(Date.parse(body.expires_at) - before).toBeGreaterThanOrEqual(300_000)
    expect(body.expires_in - left).toBeLessThan(1)
    expect(body.expires_in).toBe(Math.floor(body.expires_in))
  })

  test('says how the API wants the token, where that is not Authorization: Bearer', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    const api = { header: 'X-Shop-Access-Token', scheme: '' }
    const profile = { id: 'shop', name: 'Shop', token_url: practice.tokenEndpoint, api }
    await keeper.add(
      'shop',
      clientCredentials({ profile, clientId: 'practice-service', clientSecret: 'practice-service-secret' }),
    )
    expect((await send('GET', '/v1/grants/shop/token', { key: readKey })).json()).toMatchObject(api)
    expect((await send('GET', '/v1/grants/shop', { key: readKey })).json()).toMatchObject({ api })
  })

  test('answers from memory, without asking the provider again', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const bodies = []
    for (let i = 0; i < 20; i++)
      bodies.push((await send('GET', '/v1/grants/billing/token', { key: readKey })).json())
    expect(new Set(bodies.map(({ access_token }) => access_token)).size).toBe(1)
    expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('counts expires_in down while the token stays the same', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const first = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    await sleep(1_050)
    const second = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    expect(second.access_token).toBe(first.access_token)
    expect(first.expires_in - second.expires_in).toBeGreaterThanOrEqual(1)
  })

  test('gives a narrower scope as a token of its own', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const own = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    const narrow = (await send('GET', '/v1/grants/billing/token?scope=read', { key: readKey })).json()
    expect(narrow).toMatchObject({ scope: 'read', generation: 1 })
    expect(narrow.access_token).not.toBe(own.access_token)
    const again = (await send('GET', '/v1/grants/billing/token?scope=read', { key: readKey })).json()
    expect(again.access_token).toBe(narrow.access_token)
  })

  test('under an id that spells a place in memory is unknown, though the token lies there', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token?scope=read', { key: readKey })
    const answer = await send('GET', '/v1/grants/billing%0Aread%0A/token', { key: readKey })
    expect([answer.statusCode, answer.json().code]).toEqual([404, 'unknown_grant'])
  })

  test('passes a resource on to the provider', async () => {
    const asked: unknown[] = []
    const { practice, keeper, send, readKey } = await practisedBroker({
      practice: { respond: ({ parameters }) => void asked.push(parameters.resource) },
    })
    await keeper.add('billing', service(practice))
    const resource = encodeURIComponent('https://api.example/')
    await send('GET', `/v1/grants/billing/token?resource=${resource}`, { key: readKey })
    expect(asked).toEqual(['https://api.example/'])
  })

  test('marks a token stale that ends sooner than min_ttl asks, and only then', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const short = (await send('GET', '/v1/grants/billing/token?min_ttl=60', { key: readKey })).json()
    expect(short).not.toHaveProperty('stale')
    const long = (await send('GET', '/v1/grants/billing/token?min_ttl=100000', { key: readKey })).json()
    expect(long).toMatchObject({ stale: true, access_token: short.access_token })
    const after = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    expect(after).not.toHaveProperty('stale')
  })

  test('hands out the members of the answer that the grant allows, and no others', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker({
      practice: {
        respond: ({ path }) =>
          path === '/token'
            ? {
                status: 200,
                headers: { 'content-type': 'application/json' },
                body: JSON.stringify({
                  access_token: 'abc',
                  token_type: 'bearer',
                  expires_in: 3600,
                  refresh_token: 'rt-canary',
                  id_token: 'id-canary',
                  instance_url: 'https://eu1.example',
                  other: 'not allowed',
                }),
              }
            : undefined,
      },
    })
    await keeper.add('billing', { ...service(practice), metadata: ['instance_url', 'refresh_token'] })
    const answer = await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect(answer.json()).toMatchObject({ metadata: { instance_url: 'https://eu1.example' } })
    expect(Object.keys(answer.json().metadata)).toEqual(['instance_url'])
    expect(answer.body).not.toMatch(/canary|not allowed/)
  })

  test.each([
    ['min_ttl=x', 'min_ttl must be integer'],
    ['min_ttl=-1', 'min_ttl must be integer'],
    ['min_ttl=1.5', 'min_ttl must be integer'],
    ['min_ttl=1&min_ttl=2', 'min_ttl must be integer'],
    ['min_ttl=', 'min_ttl must be integer'],
    ['min_ttl=9999999999', 'min_ttl must be <= 1000000000'],
    ['minttl=60', 'the query has no member "minttl"'],
    ['scope=a&scope=b', 'scope must be string'],
    ['__proto__=1', 'the query has no member "__proto__"'],
    [`scope=${'x'.repeat(2001)}`, 'scope must not have more than 2000 characters'],
  ])('refuses ?%s', async (query, detail) => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const answer = await send('GET', `/v1/grants/billing/token?${query}`, { key: readKey })
    expect([answer.statusCode, answer.json().code, answer.json().detail]).toEqual([
      400,
      'invalid_request',
      detail,
    ])
    expect(practice.requests).toEqual([])
  })

  test('is not answered from memory once the grant is removed', async () => {
    const { practice, keeper, send, readKey, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect((await send('DELETE', '/v1/grants/billing', { key: adminKey })).statusCode).toBe(204)
    expect((await send('GET', '/v1/grants/billing/token', { key: readKey })).statusCode).toBe(404)
  })

  test('of a grant that nobody has consented to says how to', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('work', person(practice))
    const answer = await send('GET', '/v1/grants/work/token', { key: readKey })
    expect(answer.statusCode).toBe(409)
    expect(answer.json()).toMatchObject({
      code: 'grant_pending',
      grant: 'work',
      advice: expect.stringContaining('/v1/grants/work/connect'),
    })
  })
})

describe('POST /v1/grants/{id}/token/rejected', () => {
  test('causes one refresh for one generation, and gives its token to all who report it', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const first = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    const report = () =>
      send('POST', '/v1/grants/billing/token/rejected', { key: readKey, payload: { generation: 1 } })
    const answers = await Promise.all(Array.from({ length: 10 }, report))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(10).fill(200))
    const bodies = answers.map((answer) => answer.json())
    expect(new Set(bodies.map(({ access_token }) => access_token)).size).toBe(1)
    expect(bodies[0]).toMatchObject({ generation: 2 })
    expect(bodies[0].access_token).not.toBe(first.access_token)
    expect((await report()).json().access_token).toBe(bodies[0].access_token)
    expect(practice.requests.filter(({ path }) => path === '/token')).toHaveLength(2)
  })

  test('is about the token of that scope', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token?scope=read', { key: readKey })
    const own = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    const payload = { generation: 1, scope: 'read' }
    const newer = await send('POST', '/v1/grants/billing/token/rejected', { key: readKey, payload })
    expect(newer.json()).toMatchObject({ generation: 2, scope: 'read' })
    expect((await send('GET', '/v1/grants/billing/token', { key: readKey })).json().access_token).toBe(
      own.access_token,
    )
  })

  test.each([
    [{}, 'the body must have required properties generation'],
    [{ generation: '1' }, 'generation must be integer'],
    [{ generation: -1 }, 'generation must be >= 0'],
    [{ generation: 1, userId: 'somebody' }, 'the body has no member "userId"'],
    [{ generation: 1, scope: ['read'] }, 'scope must be string'],
    [[], 'the body must be object'],
  ])('refuses %j', async (payload, detail) => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const answer = await send('POST', '/v1/grants/billing/token/rejected', { key: readKey, payload })
    expect([answer.statusCode, answer.json().code, answer.json().detail]).toEqual([
      400,
      'invalid_request',
      detail,
    ])
  })

  test('without a body is refused', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const answer = await send('POST', '/v1/grants/billing/token/rejected', { key: readKey })
    expect(answer.statusCode).toBe(400)
  })
})

test('a failure of the provider is its own problem, with the time to wait', async () => {
  const respond = vi.fn(({ path }: { path: string }) =>
    path === '/token'
      ? {
          status: 401,
          headers: { 'content-type': 'application/json' },
          body: '{"error":"invalid_client","error_description":"no such client"}',
        }
      : undefined,
  )
  const { practice, keeper, send, readKey } = await practisedBroker({ practice: { respond } })
  await keeper.add('billing', service(practice))
  const answer = await send('GET', '/v1/grants/billing/token', { key: readKey })
  expect(answer.statusCode).toBe(502)
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(answer.json()).toMatchObject({
    type: 'urn:evertoken:problem:invalid_client',
    title: 'The provider refused the client',
    status: 502,
    code: 'invalid_client',
    grant: 'billing',
  })
})
