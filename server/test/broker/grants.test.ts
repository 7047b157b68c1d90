import { describe, expect, test } from 'vitest'
import { imported, login, person, practisedBroker, service } from './practised-broker.ts'

const times = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

describe('GET /v1/grants/{id}', () => {
  test('says how a grant is, and nothing that is secret', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice), { labels: { team: 'money' } })
    const { value } = await keeper.getToken('billing')
    const answer = await send('GET', '/v1/grants/billing', { key: readKey })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      id: 'billing',
      state: 'active',
      grant_type: 'client_credentials',
      provider: new URL(practice.issuer).host,
      labels: { team: 'money' },
      created_at: expect.stringMatching(times),
      updated_at: expect.stringMatching(times),
      expires_at: expect.stringMatching(times),
      freshness: 'fresh',
      generation: 1,
      scope: 'read write',
      lifetime_from: 'stated',
      last_refresh_at: expect.stringMatching(times),
      last_attempt_at: expect.stringMatching(times),
      failures: 0,
      next_attempt_at: expect.stringMatching(times),
      unresolved: false,
      other_tokens: 0,
      replay_class: 'non_rotating',
      candidates: 0,
      notices: [],
    })
    expect(answer.body).not.toContain(value)
    expect(answer.body).not.toContain('practice-service-secret')
  })

  test('names the last failure of the provider', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker({
      practice: {
        respond: ({ path }) =>
          path === '/token'
            ? {
                status: 400,
                headers: { 'content-type': 'application/json' },
                body: '{"error":"invalid_scope"}',
              }
            : undefined,
      },
    })
    await keeper.add('billing', service(practice))
    expect((await send('GET', '/v1/grants/billing/token', { key: readKey })).statusCode).toBe(400)
    expect((await send('GET', '/v1/grants/billing', { key: readKey })).json()).toMatchObject({
      freshness: 'none',
      generation: 0,
      failures: 1,
      last_error: {
        code: 'invalid_scope',
        error: 'invalid_scope',
        status: 400,
        at: expect.stringMatching(times),
      },
    })
  })

  test('of a name that there is not is 404, and says nothing of the store', async () => {
    const { keeper, send, readKey } = await practisedBroker()
    const answer = await send('GET', '/v1/grants/nobody', { key: readKey })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toEqual({
      type: 'urn:evertoken:problem:unknown_grant',
      title: 'There is no such grant',
      status: 404,
      detail: 'there is no grant nobody',
      code: 'unknown_grant',
      request_id: expect.any(String),
      advice: 'GET /v1/grants lists the names there are.',
      grant: 'nobody',
    })
    expect(answer.body).not.toContain(keeper.store.location)
  })

  test.each([
    '%2e%2e%2fetc',
    'a%00b',
    '%ef%bd%82illing',
    'a%20b',
    '%F0%9F%98%80',
    '-x',
    'constructor',
    '__proto__',
  ])('with the id %s is unknown, for every request', async (id) => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const payload = { generation: 1 }
    const answers = await Promise.all([
      send('GET', `/v1/grants/${id}`, { key: adminKey }),
      send('GET', `/v1/grants/${id}/token`, { key: adminKey }),
      send('GET', `/v1/grants/${id}/token?min_ttl=5&scope=read`, { key: adminKey }),
      send('POST', `/v1/grants/${id}/token/rejected`, { key: adminKey, payload }),
      send('DELETE', `/v1/grants/${id}`, { key: adminKey }),
      send('POST', `/v1/grants/${id}/refresh`, { key: adminKey }),
      send('POST', `/v1/grants/${id}/connect`, { key: adminKey }),
    ])
    expect(answers.map((answer) => [answer.statusCode, answer.json().code])).toEqual(
      answers.map(() => [404, 'unknown_grant']),
    )
    expect(practice.requests).toEqual([])
  })

  test.each([
    ['an id of 10 KiB', `/v1/grants/${'x'.repeat(10_240)}/token`, 414],
    ['an empty id', '/v1/grants//token', 404],
    ['an encoding that is none', '/v1/grants/%E0%A4%A/token', 400],
    ['another case', '/V1/grants/billing/token', 404],
    ['a slash more', '/v1/grants/billing/token/', 404],
    ['a semicolon', '/v1/grants/billing/token;x=1', 404],
  ])('with %s is found nowhere', async (_, url, status) => {
    const { practice, keeper, app, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const { statusCode, headers } = await app.inject({
      url,
      headers: { authorization: `Bearer ${readKey}` },
    })
    expect(statusCode).toBe(status)
    expect(headers['content-type']).toMatch(/^application\/problem\+json/)
  })
})

describe('GET /v1/grants', () => {
  test('goes through all of them, a page at a time', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    const ids = ['a', 'b', 'c', 'd', 'e']
    for (const id of ids) await keeper.add(id, service(practice))
    const pages: string[][] = []
    let url = '/v1/grants?limit=2'
    for (;;) {
      const { grants, next } = (await send('GET', url, { key: readKey })).json()
      pages.push(grants.map(({ id }: { id: string }) => id))
      if (next === undefined) break
      url = `/v1/grants?limit=2&after=${next}`
    }
    expect(pages).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    expect((await send('GET', '/v1/grants?limit=5', { key: readKey })).json()).not.toHaveProperty('next')
  })

  test('is empty where there are none', async () => {
    const { send, readKey } = await practisedBroker()
    expect((await send('GET', '/v1/grants', { key: readKey })).json()).toEqual({ grants: [] })
  })

  test.each(['limit=0', 'limit=1001', 'limit=all', 'after=a&after=b', 'state=active'])(
    'refuses ?%s',
    async (query) => {
      const { send, readKey } = await practisedBroker()
      const answer = await send('GET', `/v1/grants?${query}`, { key: readKey })
      expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_request'])
    },
  )
})

describe('POST /v1/grants', () => {
  const described = (tokenUrl: string) => ({
    id: 'billing',
    client: {
      provider: { token_url: tokenUrl },
      client_id: 'practice-service',
      client_secret: 'practice-service-secret',
    },
    grant_type: 'client_credentials',
    scope: ['read'],
    labels: { team: 'money' },
    refresh_before: 30,
  })

  test('adds a grant by the keys of evertoken.yaml, whose token can be read at once', async () => {
    const { practice, send, adminKey, readKey } = await practisedBroker()
    const answer = await send('POST', '/v1/grants', {
      key: adminKey,
      payload: described(practice.tokenEndpoint),
    })
    expect(answer.statusCode).toBe(201)
    expect(answer.headers.location).toBe('/v1/grants/billing')
    expect(answer.json()).toMatchObject({
      id: 'billing',
      state: 'active',
      grant_type: 'client_credentials',
      labels: { team: 'money' },
      generation: 0,
    })
    expect(answer.body).not.toContain('practice-service-secret')
    const token = (await send('GET', '/v1/grants/billing/token', { key: readKey })).json()
    expect(practice.introspect(token.access_token).active).toBe(true)
  })

  test('adds one that waits for consent', async () => {
    const { practice, send, adminKey } = await practisedBroker()
    const payload = {
      id: 'work',
      client: { provider: practice.issuer, client_id: 'practice-app' },
      grant_type: 'authorization_code',
    }
    const answer = await send('POST', '/v1/grants', { key: adminKey, payload })
    expect([answer.statusCode, answer.json().state]).toEqual([201, 'pending'])
  })

  test('leaves a grant of that name alone', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', person(practice))
    const answer = await send('POST', '/v1/grants', {
      key: adminKey,
      payload: described(practice.tokenEndpoint),
    })
    expect([answer.statusCode, answer.json().code]).toEqual([409, 'grant_exists'])
    expect((await keeper.show('billing')).grantType).toBe('authorization_code')
  })

  test.each([
    ['no id', { id: undefined }, 400, 'invalid_grant_id', /^id is missing/],
    ['an id that is a path', { id: '../x' }, 400, 'invalid_grant_id', /cannot name a grant/],
    ['an id that is a number', { id: 7 }, 400, 'invalid_grant_id', /^id is missing/],
    ['an unknown key', { scopes: [] }, 422, 'unknown_key', /^scopes: there is no such key/],
    ['a tenant', { tenant: 'other' }, 422, 'unknown_key', /^tenant: there is no such key/],
    ['a wrong type', { grant_type: 'implicit' }, 422, 'invalid_configuration', /^grant_type: found/],
    ['no client', { client: undefined }, 422, 'invalid_configuration', /^client is missing/],
    [
      'a file of the broker',
      { refresh_token_file: '/etc/passwd' },
      422,
      'unknown_key',
      /^refresh_token_file/,
    ],
    [
      '33 labels',
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, ''])) },
      422,
      'invalid_configuration',
      /32/,
    ],
  ])('with %s is refused and nothing is kept', async (_, change, status, code, detail) => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    const payload = { ...described(practice.tokenEndpoint), ...change }
    const answer = await send('POST', '/v1/grants', { key: adminKey, payload })
    expect([answer.statusCode, answer.json().code]).toEqual([status, code])
    expect(answer.json().detail).toMatch(detail)
    expect(await keeper.list()).toEqual([])
    expect(practice.requests).toEqual([])
  })

  test.each([
    ['a list', '[]', 400, 'the body is no JSON object'],
    ['null', 'null', 400, 'the body is no JSON object'],
    ['half of it', '{"id":"billing","client_secret":"canary', 400, 'the request cannot be read'],
    ['nothing', '', 400, 'the request cannot be read'],
    ['a prototype', '{"id":"a","__proto__":{"x":1}}', 400, 'the request cannot be read'],
    ['a constructor', '{"id":"a","constructor":{"prototype":{"x":1}}}', 400, 'the request cannot be read'],
  ])('whose body is %s is refused without repeating it', async (_, payload, status, detail) => {
    const { send, adminKey } = await practisedBroker()
    const headers = { 'content-type': 'application/json' }
    const answer = await send('POST', '/v1/grants', { key: adminKey, payload, headers })
    expect([answer.statusCode, answer.json().code, answer.json().detail]).toEqual([
      status,
      'invalid_request',
      detail,
    ])
    expect(answer.body).not.toContain('canary')
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'whose body is %s is refused',
    async (type) => {
      const { send, adminKey } = await practisedBroker()
      const headers = { 'content-type': type }
      const answer = await send('POST', '/v1/grants', { key: adminKey, payload: 'id=a', headers })
      expect([answer.statusCode, answer.json().code]).toEqual([415, 'invalid_request'])
    },
  )

  test('with a body of more than 64 KiB is refused', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    const filled = (bytes: number) => {
      const body = { ...described(practice.tokenEndpoint), metadata: [''] }
      body.metadata[0] = 'x'.repeat(bytes - JSON.stringify(body).length)
      return JSON.stringify(body)
    }
    const headers = { 'content-type': 'application/json' }
    const tooLarge = await send('POST', '/v1/grants', { key: adminKey, payload: filled(65_537), headers })
    expect([tooLarge.statusCode, tooLarge.json().code, tooLarge.json().advice]).toEqual([
      413,
      'invalid_request',
      'The limit is 64 KiB.',
    ])
    expect(await keeper.list()).toEqual([])
    const largest = await send('POST', '/v1/grants', { key: adminKey, payload: filled(65_536), headers })
    expect(largest.statusCode).toBe(201)
  })

  test('nested without end is refused', async () => {
    const { practice, send, adminKey } = await practisedBroker()
    const deep = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`
    const assertion = `{"issuer":"a","key":{"algorithm":"HS256","key":"k"},"claims":${deep}}`
    const payload = JSON.stringify({
      ...described(practice.tokenEndpoint),
      grant_type: 'jwt_bearer',
    }).replace(/}$/, `,"assertion":${assertion}}`)
    const headers = { 'content-type': 'application/json' }
    const answer = await send('POST', '/v1/grants', { key: adminKey, payload, headers })
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'invalid_configuration'])
  })
})

describe('by hand', () => {
  test('a refresh gives a new generation and never shows the token', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    await keeper.getToken('billing')
    const answer = await send('POST', '/v1/grants/billing/refresh', { key: adminKey })
    expect([answer.statusCode, answer.json().generation]).toEqual([200, 2])
    expect(answer.body).not.toContain((await keeper.getToken('billing')).value)
    const withBody = await send('POST', '/v1/grants/billing/refresh', { key: adminKey, payload: {} })
    expect(withBody.json().generation).toBe(3)
  })

  test('a pause stops tokens until it is ended', async () => {
    const { practice, keeper, send, adminKey, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    await send('GET', '/v1/grants/billing/token', { key: readKey })
    const paused = await send('POST', '/v1/grants/billing/pause', { key: adminKey })
    expect([paused.statusCode, paused.json().state]).toEqual([200, 'paused'])
    const refused = await send('GET', '/v1/grants/billing/token', { key: readKey })
    expect([refused.statusCode, refused.json().code]).toEqual([409, 'grant_paused'])
    const resumed = await send('POST', '/v1/grants/billing/resume', { key: adminKey })
    expect([resumed.statusCode, resumed.json().state]).toEqual([200, 'active'])
    expect((await send('GET', '/v1/grants/billing/token', { key: readKey })).statusCode).toBe(200)
  })

  test('what cannot be paused says so', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('work', person(practice))
    const answer = await send('POST', '/v1/grants/work/pause', { key: adminKey })
    expect([answer.statusCode, answer.json().code, answer.json().grant]).toEqual([
      400,
      'invalid_request',
      'work',
    ])
  })

  test('a revoked login is over for every reader, and at the provider', async () => {
    const { practice, keeper, send, adminKey, readKey } = await practisedBroker({
      keeper: { timing: { revalidate: 30 } },
    })
    await keeper.add('work', imported(practice, await login(practice)))
    const { value } = await keeper.getToken('work')
    expect(practice.introspect(value)).toMatchObject({ active: true })
    const answer = await send('POST', '/v1/grants/work/revoke', { key: adminKey })
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toMatchObject({
      id: 'work',
      state: 'revoked',
      upstream: 'revoked',
      told: {
        refresh_token: { outcome: 'revoked', at: expect.stringMatching(/^\d{4}-.*Z$/) },
        access_token: { outcome: 'revoked' },
      },
      freshness: 'none',
    })
    expect(practice.introspect(value)).toEqual({ active: false })
    const refused = await send('GET', '/v1/grants/work/token', { key: readKey })
    expect([refused.statusCode, refused.json().code]).toEqual([409, 'grant_revoked'])
  })

  test('a login whose provider does not answer is revoked here at once, and there later', async () => {
    let up = true
    const { practice, keeper, send, adminKey, readKey } = await practisedBroker({
      practice: { respond: ({ path }) => (path === '/revoke' && !up ? { status: 503 } : undefined) },
      keeper: { timing: { revalidate: 30 } },
    })
    await keeper.add('work', imported(practice, await login(practice)))
    const { value } = await keeper.getToken('work')
    up = false
    const answer = await send('POST', '/v1/grants/work/revoke', { key: adminKey })
    expect([answer.statusCode, answer.json().state]).toEqual([200, 'revoking'])
    const refused = await send('GET', '/v1/grants/work/token', { key: readKey })
    expect([refused.statusCode, refused.json().code]).toEqual([409, 'grant_revoked'])
    up = true
    // Whoever finds it due tells the provider again; a worker, as a rule.
    await expect
      .poll(async () => {
        await keeper.tendDue(10)
        return (await send('GET', '/v1/grants/work', { key: readKey })).json()
      })
      .toMatchObject({ state: 'revoked', upstream: 'revoked' })
    expect(practice.introspect(value)).toEqual({ active: false })
  })

  test('what is removed is gone, and cannot be removed again', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const removed = await send('DELETE', '/v1/grants/billing', { key: adminKey })
    expect([removed.statusCode, removed.body]).toEqual([204, ''])
    expect(await keeper.list()).toEqual([])
    expect((await send('DELETE', '/v1/grants/billing', { key: adminKey })).statusCode).toBe(404)
  })

  test('a grant is removed and its login ended in one request', async () => {
    const { practice, keeper, send, adminKey } = await practisedBroker({
      keeper: { timing: { revalidate: 30 } },
    })
    await keeper.add('work', imported(practice, await login(practice)))
    const { value } = await keeper.getToken('work')
    const removed = await send('DELETE', '/v1/grants/work?revoke=true', { key: adminKey })
    expect([removed.statusCode, removed.json()]).toEqual([
      200,
      {
        id: 'work',
        removed: true,
        upstream: 'revoked',
        told: {
          refresh_token: { outcome: 'revoked', at: expect.any(String) },
          access_token: { outcome: 'revoked', at: expect.any(String) },
        },
      },
    ])
    expect(practice.introspect(value)).toEqual({ active: false })
    expect(await keeper.list()).toEqual([])
  })

  test('a grant whose provider cannot be told is stopped and stays, and is removed by the same request later', async () => {
    let up = true
    const { practice, keeper, send, adminKey, readKey } = await practisedBroker({
      practice: { respond: ({ path }) => (path === '/revoke' && !up ? { status: 503 } : undefined) },
      keeper: { timing: { revalidate: 30 } },
    })
    await keeper.add('work', imported(practice, await login(practice)))
    const { value } = await keeper.getToken('work')
    up = false
    const refused = await send('DELETE', '/v1/grants/work?revoke=true', { key: adminKey })
    expect(refused.statusCode).toBe(502)
    expect(refused.json()).toMatchObject({
      code: 'provider_error',
      grant: 'work',
      detail: expect.stringContaining('nothing is removed yet'),
      advice: expect.stringContaining('again later'),
    })
    const reader = await send('GET', '/v1/grants/work/token', { key: readKey })
    expect([reader.statusCode, reader.json().code]).toEqual([409, 'grant_revoked'])
    up = true
    await expect
      .poll(async () => (await send('DELETE', '/v1/grants/work?revoke=true', { key: adminKey })).statusCode, {
        timeout: 10_000,
      })
      .toBe(200)
    expect(practice.introspect(value)).toEqual({ active: false })
  }, 15_000)

  test('removing and revoking is for a key to administer', async () => {
    const { practice, keeper, send, readKey } = await practisedBroker()
    await keeper.add('work', imported(practice, await login(practice)))
    const { value } = await keeper.getToken('work')
    const refused = await send('DELETE', '/v1/grants/work?revoke=true', { key: readKey })
    expect([refused.statusCode, refused.json().code]).toEqual([403, 'forbidden'])
    expect((await keeper.show('work')).state).toBe('active')
    expect(practice.introspect(value)).toMatchObject({ active: true })
  })

  test.each([
    ['revoke=false', 204],
    ['revoke=yes', 400],
    ['revoke', 400],
    ['revoke=true&revoke=true', 400],
    ['revok=true', 400],
  ])('removing with ?%s answers %i', async (query, status) => {
    const { practice, keeper, send, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const answer = await send('DELETE', `/v1/grants/billing?${query}`, { key: adminKey })
    expect(answer.statusCode).toBe(status)
    // A word that was mistyped must not delete what was to be revoked first.
    expect(await keeper.list()).toHaveLength(status === 204 ? 0 : 1)
  })
})
