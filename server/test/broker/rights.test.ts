import fastify from 'fastify'
import { describe, expect, test } from 'vitest'
import { ApiKeys, createApiKey } from '../../src/broker/api-key.ts'
import type { Broker } from '../../src/broker/broker.ts'
import { guardRoutes } from '../../src/broker/rights.ts'
import { practisedBroker, service } from './practised-broker.ts'

/** Who may use what: a route that is not here, or has another right, fails the first test. */
const expected = {
  'GET /v1/grants/:id/token': 'read',
  'POST /v1/grants/:id/token/rejected': 'read',
  'POST /oauth/token': 'client',
  'GET /.well-known/oauth-authorization-server': 'public',
  'GET /v1/grants': 'read',
  'GET /v1/grants/:id': 'read',
  'POST /v1/grants': 'administer',
  'DELETE /v1/grants/:id': 'administer',
  'POST /v1/grants/:id/refresh': 'administer',
  'POST /v1/grants/:id/pause': 'administer',
  'POST /v1/grants/:id/resume': 'administer',
  'POST /v1/grants/:id/revoke': 'administer',
  'POST /v1/grants/:id/validate': 'administer',
  'GET /v1/notices': 'administer',
  'POST /v1/grants/:id/connect': 'administer',
  'GET /connect/:ticket': 'public',
  'GET /oauth/callback': 'public',
  'GET /healthz': 'public',
  'GET /readyz': 'public',
  'GET /openapi.json': 'public',
} as const

/** But for the token endpoint, whose callers authenticate otherwise: oauth-token.test.ts. */
const routes = Object.entries(expected)
  .filter(([, right]) => right !== 'client')
  .map(([route, right]) => {
    const [method = '', path = ''] = route.split(' ')
    return {
      route,
      right,
      method: method as 'GET' | 'POST' | 'DELETE',
      url: path.replace(':id', 'billing').replace(':ticket', 'x'),
    }
  })

/** Every route of the router itself, out of its tree. */
function routesOf(app: Broker): string[] {
  const found: string[] = []
  const above: string[] = []
  for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent = '', part = '', methods] = /^([│ ]*)[├└]── (\S+)(?: \((.*)\))?$/.exec(line) ?? []
    if (part === '') continue
    const depth = indent.length / 4
    above.splice(depth, above.length, part)
    for (const method of methods?.split(', ') ?? []) found.push(`${method} ${above.join('')}`)
  }
  return found
}

describe('every route', () => {
  test('of the router is one whose right is written down here', async () => {
    const { app } = await practisedBroker()
    await app.ready()
    expect(routesOf(app).sort()).toEqual(Object.keys(expected).sort())
  })

  test('without a right keeps the broker from starting', async () => {
    const app = fastify()
    guardRoutes(app, new ApiKeys({ findApiKey: async () => undefined }, Date.now, 1000), () => undefined)
    const add = (config: object) => () => app.get('/new', { config }, async () => 'open')
    expect(add({})).toThrow('the route GET /new does not say who may use it')
    expect(add({ right: 'everybody' })).toThrow(TypeError)
    expect(add({ right: 'toString' })).toThrow(TypeError)
    await app.close()
  })

  describe.each(routes)('$route', ({ method, url, right }) => {
    test.each([
      ['no key', undefined],
      ['a key that nobody made', 'evt_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA_00000000'],
      ['no key at all behind Bearer', ''],
      ['a key to something else', 'ghp_0123456789'],
    ])(`with %s is ${right === 'public' ? 'answered' : 'refused'}`, async (_, key) => {
      const { send, keeper, practice } = await practisedBroker()
      await keeper.add('billing', service(practice))
      const answer = await send(method, url, key === undefined ? {} : { key })
      if (right === 'public') {
        expect(answer.statusCode).not.toBe(401)
        return
      }
      expect(answer.statusCode).toBe(401)
      expect(answer.json()).toMatchObject({ code: 'unauthorized', status: 401 })
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="evertoken"/)
      expect(practice.requests).toEqual([])
      expect((await keeper.show('billing')).state).toBe('active')
    })

    test(`with a key to read is ${right === 'administer' ? 'refused' : 'answered'}`, async () => {
      const { send, keeper, practice, readKey } = await practisedBroker()
      await keeper.add('billing', service(practice))
      const answer = await send(method, url, { key: readKey })
      if (right !== 'administer') {
        expect([401, 403]).not.toContain(answer.statusCode)
        return
      }
      expect(answer.statusCode).toBe(403)
      expect(answer.json()).toMatchObject({ code: 'forbidden', status: 403 })
      expect(answer.headers['www-authenticate']).toContain('insufficient_scope')
      expect((await keeper.show('billing')).generation).toBe(0)
      // The same for a grant that is not there: a key to read learns nothing by it.
      const other = await send(method, url.replace('billing', 'nobody'), { key: readKey })
      expect(other.statusCode).toBe(403)
      expect({ ...other.json(), request_id: '' }).toEqual({ ...answer.json(), request_id: '' })
    })

    test('with a key to administer is answered', async () => {
      const { send, keeper, practice, adminKey } = await practisedBroker()
      await keeper.add('billing', service(practice))
      expect([401, 403]).not.toContain((await send(method, url, { key: adminKey })).statusCode)
    })
  })
})

describe('a caller', () => {
  test('is known by the Authorization header alone', async () => {
    const { send, keeper, practice, adminKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const url = '/v1/grants/billing/token'
    const refused = await Promise.all([
      send('GET', `${url}?access_token=${adminKey}`),
      send('GET', url, { headers: { 'x-api-key': adminKey } }),
      send('GET', url, { headers: { cookie: `authorization=${adminKey}` } }),
      send('GET', url, { headers: { authorization: `Basic ${btoa(`${adminKey}:`)}` } }),
      send('GET', url, { headers: { authorization: adminKey } }),
      send('GET', url, { headers: { 'x-forwarded-for': '127.0.0.1', x_auth_user: 'admin' } }),
    ])
    expect(refused.map(({ statusCode }) => statusCode)).toEqual(Array(6).fill(401))
    const lower = await send('GET', url, { headers: { authorization: `bearer  ${adminKey}` } })
    expect(lower.statusCode).toBe(200)
  })

  test('whose key is nearly right is refused like any other', async () => {
    const { send, keeper, practice, adminKey, readKey } = await practisedBroker()
    await keeper.add('billing', service(practice))
    const at = (text: string, index: number) =>
      `${text.slice(0, index)}${text[index] === 'A' ? 'B' : 'A'}${text.slice(index + 1)}`
    // The key has been seen, so all of these are judged from memory as well.
    for (const seen of [false, true]) {
      if (seen) expect((await send('GET', '/v1/grants', { key: adminKey })).statusCode).toBe(200)
      const keys = [
        at(adminKey, 21),
        at(adminKey, 63),
        at(adminKey, 64),
        at(adminKey, 20),
        at(adminKey, 0),
        `${adminKey}0`,
        adminKey.slice(0, -1),
        ` ${adminKey} x`,
        adminKey.replace(/.{8}$/, '00000000'),
        adminKey.slice(0, 21) + readKey.slice(21),
        readKey.slice(0, 21) + adminKey.slice(21),
        adminKey.toUpperCase(),
      ]
      const answers = await Promise.all(keys.map((key) => send('GET', '/v1/grants', { key })))
      const bodies = answers.map((answer) => ({ ...answer.json(), request_id: '' }))
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(keys.map(() => 401))
      expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1)
    }
  })

  test('is not let in when the store cannot say who it is', async () => {
    const { app, keeper } = await practisedBroker()
    const key = (await createApiKey(keeper.store, { label: 'x', rights: 'read' })).reveal()
    await keeper.close()
    const answer = await app.inject({
      url: '/v1/grants/billing/token',
      headers: { authorization: `Bearer ${key}` },
    })
    expect(answer.statusCode).toBe(503)
    expect(answer.json().code).toBe('closed')
  })
})
