import { describe, expect, test } from 'vitest'
import { imported, login, practisedBroker, service } from './practised-broker.ts'

async function billing() {
  const at = await practisedBroker()
  await at.keeper.add('work', service(at.practice))
  const { value } = await at.keeper.getToken('work')
  const asked = (): number => at.practice.requests.filter(({ path }) => path === '/token').length
  return { ...at, value, asked }
}

const encoded = (text: object): string => Buffer.from(JSON.stringify(text)).toString('base64url')

/** A JWT that a library which believes its header would take. */
const jwt = (header: object): string => `${encoded(header)}.${encoded({ sub: 'admin', exp: 4e9 })}.c2ln`

describe('a grant id', () => {
  const odd = [
    '..',
    '..%2f',
    '%2e%2e%2fwork',
    'work%2f..%2fwork',
    'work%00',
    '%00',
    'WORK',
    'Work',
    'w%d0%bErk',
    'work%e2%80%8b',
    'w%EF%BD%8Frk',
    'work%20',
    '%20work',
    'work.',
    'work%0d%0aX-Evil:%201',
    '__proto__',
    'constructor',
    'work;a=b',
    'w'.repeat(129),
    'w'.repeat(10_240),
  ]

  test.each(odd)('%s is no grant, like one that there is not', async (id) => {
    const { send, readKey, adminKey, value, asked } = await billing()
    const missing = (await send('GET', '/v1/grants/missing/token', { key: readKey })).json()
    for (const [method, path, key] of [
      ['GET', '/token', readKey],
      ['GET', '', readKey],
      ['POST', '/refresh', adminKey],
      ['DELETE', '', adminKey],
    ] as const) {
      const answer = await send(method, `/v1/grants/${id}${path}`, { key })
      expect([400, 404, 414]).toContain(answer.statusCode)
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(answer.body).not.toContain(value)
      expect(answer.headers).not.toHaveProperty('x-evil')
      if (answer.json().code === 'unknown_grant') {
        const { request_id: _, instance: __, grant: ___, detail: ____, ...same } = answer.json()
        expect(missing).toMatchObject(same)
      }
    }
    expect(asked()).toBe(1)
    expect(await send('GET', '/v1/grants/work', { key: readKey })).toMatchObject({ statusCode: 200 })
  })

  test('whose bytes are no UTF-8 is refused', async () => {
    const { send, readKey } = await billing()
    const answer = await send('GET', '/v1/grants/%c3%28/token', { key: readKey })
    expect([400, 404]).toContain(answer.statusCode)
  })
})

describe('who somebody is', () => {
  test.each([
    ['userId in the query', '?userId=admin', {}],
    ['tenant in the query', '?tenant=other', {}],
    ['a key in the query', '?access_token=evt_x', {}],
    ['a header of a proxy', '', { 'x-user': 'admin', 'x-forwarded-user': 'admin', x_auth_user: 'admin' }],
    ['another address in front', '', { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1' }],
    ['a cookie', '', { cookie: 'evertoken=admin' }],
  ])('is not said by %s', async (_, query, headers) => {
    const { send, value } = await billing()
    const answer = await send('GET', `/v1/grants/work/token${query}`, { headers })
    expect(answer.statusCode).toBe(401)
    expect(answer.body).not.toContain(value)
  })

  test.each([
    ['no algorithm', { alg: 'none' }],
    ['another algorithm than its key', { alg: 'HS256', typ: 'JWT' }],
    ['a key in its own header', { alg: 'ES256', jwk: { kty: 'EC' }, jku: 'https://evil.example/keys' }],
    ['a kid that is a path', { alg: 'HS256', kid: '../../../../dev/null' }],
    ['a kid without end', { alg: 'HS256', kid: 'k'.repeat(7_000) }],
  ])('is not said by a JWT with %s: it is refused like any text that is no key', async (_, header) => {
    const { send, app } = await billing()
    const refused = (await send('GET', '/v1/grants/work/token', { key: 'nobody' })).json()
    const answer = await app.inject({
      url: '/v1/grants/work/token',
      headers: { authorization: `Bearer ${jwt(header)}` },
    })
    expect(answer.statusCode).toBe(401)
    const { request_id: _id, ...same } = answer.json()
    expect(refused).toMatchObject(same)
  })

  test('is not said by a key whose id is right and whose end is not', async () => {
    const { send, readKey, value } = await billing()
    const flipped = readKey.at(-1) === 'a' ? 'b' : 'a'
    for (const key of [
      readKey.slice(0, -1) + flipped,
      readKey.slice(0, -1),
      `${readKey}a`,
      readKey.toUpperCase(),
    ]) {
      const answer = await send('GET', '/v1/grants/work/token', { key })
      expect(answer.statusCode).toBe(401)
      expect(answer.body).not.toContain(value)
      expect(answer.body).not.toContain(key)
    }
  })
})

describe('a report that a token was refused', () => {
  const report = (generation: number) => ({ payload: { generation } })

  test('of an old generation brings the present token, however often it comes, and asks the provider nothing', async () => {
    const { send, readKey, keeper, asked } = await billing()
    await keeper.refresh('work')
    for (let times = 0; times < 30; times++) {
      const answer = await send('POST', '/v1/grants/work/token/rejected', { key: readKey, ...report(1) })
      expect(answer.json().generation).toBe(2)
    }
    expect(asked()).toBe(2)
  })

  test('of the newest generation, in a loop, burns few refreshes', async () => {
    const { send, readKey, asked } = await billing()
    let generation = 1
    for (let times = 0; times < 30; times++) {
      const answer = await send('POST', '/v1/grants/work/token/rejected', {
        key: readKey,
        ...report(generation),
      })
      expect(answer.statusCode).toBe(200)
      generation = answer.json().generation
    }
    expect(asked()).toBeLessThanOrEqual(3)
  })

  test('of a generation that there has never been, or for a grant that there is not, changes nothing', async () => {
    const { send, readKey, asked } = await billing()
    const ahead = await send('POST', '/v1/grants/work/token/rejected', { key: readKey, ...report(999) })
    expect([200, 400]).toContain(ahead.statusCode)
    const missing = await send('POST', '/v1/grants/missing/token/rejected', { key: readKey, ...report(1) })
    expect([missing.statusCode, missing.json().code]).toEqual([404, 'unknown_grant'])
    expect(asked()).toBeLessThanOrEqual(1)
  })
})

test('a hundred who force a refresh of a strict grant at once spend its refresh token once', async () => {
  const { practice, keeper, send, adminKey } = await practisedBroker()
  await keeper.add('login', imported(practice, await login(practice)))
  await keeper.getToken('login')
  const asked = (): number => practice.requests.filter(({ path }) => path === '/token').length
  const before = asked()
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => send('POST', '/v1/grants/login/refresh', { key: adminKey })),
  )
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([200]))
  expect(asked() - before).toBe(1)
  expect(await keeper.show('login')).toMatchObject({ state: 'active', failures: 0, generation: 2 })
})

test.each([-1, 1])('a caller whose clock is off by %i days is told what is left in seconds', async (days) => {
  const { send, readKey } = await billing()
  const date = new Date(Date.now() + days * 86_400_000).toUTCString()
  const headers = { date, 'if-modified-since': date }
  const answer = await send('GET', '/v1/grants/work/token', { key: readKey, headers })
  expect(answer.statusCode).toBe(200)
  expect(answer.json().expires_in).toBeGreaterThan(290)
  expect(answer.json().expires_in).toBeLessThanOrEqual(300)
})
