import { describe, expect, test } from 'vitest'
import { jwtBearer, refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { practised } from '../grants/practised.ts'
import { httpServer } from '../oauth/servers.ts'

const minute = 60_000
const hour = 60 * minute
const subscription = 'k3y0'.repeat(8)

describe('Quartile, as the catalogue has it', () => {
  /** Answers as its documentation shows: 201, nested, moments without a zone, each refresh token good once. */
  async function quartile() {
    const { clock, run, pass, failure } = await practised()
    const requests: { path: string | undefined; key: unknown; body: Record<string, unknown> }[] = []
    let live = 'refresh-0'
    const moment = (ms: number): string => new Date(ms).toISOString().slice(0, 19)
    const origin = await httpServer(async (request, response) => {
      let text = ''
      for await (const chunk of request.setEncoding('utf8')) text += chunk
      const body = JSON.parse(text) as Record<string, unknown>
      requests.push({ path: request.url, key: request.headers['subscription-key'], body })
      if (body.token !== live) {
        response.writeHead(401, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ error: 'invalid_grant', error_description: `no ${body.token}` }))
        return
      }
      live = `refresh-${requests.length}`
      const at = clock.now()
      response.writeHead(201, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({
          authorization: {
            token: `access-${requests.length}`,
            type: 'bearer',
            expires_in: 43_200,
            expires_at: moment(at + 12 * hour),
            not_before: Math.floor(at / 1000),
            note: 'in UTC',
          },
          refresh: { token: live, expires_in: 1_209_600, expires_at: moment(at + 14 * 24 * hour), note: '' },
        }),
      )
    })
    const wire = nodeTransport()
    const keeper = await Keeper.open({
      store: memoryStore({ clock, ephemeral: true }),
      clock,
      transport: (request) =>
        wire({ ...request, url: request.url.replace('https://api.quartile.com', origin) }),
    })
    const definition = refreshToken({
      profile: catalogueProfile('quartile'),
      variables: { subscription_key: subscription },
      clientId: 'us',
      refreshToken: 'refresh-0',
    })
    await keeper.add('ads', definition)
    const kill = (): void => {
      live = 'none'
    }
    return { keeper, clock, run, pass, failure, requests, kill }
  }

  test('an imported refresh token is renewed as JSON at its own address, life after life', async () => {
    const { keeper, clock, run, pass, requests } = await quartile()
    const first = await run(keeper.getToken('ads'))
    expect(first).toMatchObject({ value: 'access-1', type: 'Bearer' })
    expect(first.expiresAt - clock.now()).toBeGreaterThan(12 * hour - 2_000)
    expect((await keeper.show('ads')).refreshTokenExpiresAt! - clock.now()).toBeGreaterThan(13 * 24 * hour)
    await pass(12 * hour)
    expect((await run(keeper.getToken('ads'))).value).toBe('access-2')
    expect(requests).toEqual([
      { path: '/auth/v2/refresh', key: subscription, body: { token: 'refresh-0' } },
      { path: '/auth/v2/refresh', key: subscription, body: { token: 'refresh-1' } },
    ])
    await run(keeper.close())
  })

  test('a refused refresh token needs a person at last, and nothing told quotes it', async () => {
    const { keeper, run, pass, failure, kill, requests } = await quartile()
    await run(keeper.getToken('ads'))
    kill()
    await pass(12 * hour)
    const refused = await failure(keeper.getToken('ads'))
    for (const wait of [2, 15]) {
      await pass(wait * minute)
      await run(keeper.tend('ads'))
    }
    const shown = await keeper.show('ads')
    expect(shown).toMatchObject({ state: 'reauthorization_required' })
    expect(requests).toHaveLength(4)
    const told = JSON.stringify([refused.message, shown])
    expect(told).not.toMatch(/refresh-\d|k3y0/)
    await run(keeper.close())
  })
})

describe('Disruptive Technologies, as the catalogue has it', () => {
  test('mints with an assertion for an hour, and again a minute before the end', async () => {
    const { keeper, run, pass, server, tokenRequests } = await practised()
    const account = jwtBearer({
      profile: catalogueProfile('disruptive-technologies'),
      tokenUrl: server.tokenEndpoint,
      assertion: {
        issuer: 'practice-issuer',
        subject: 'robot',
        key: { algorithm: 'HS256', key: 'practice-issuer-secret-of-32-bytes-or-more', keyId: 'key-1' },
      },
    })
    expect(account.assertion).toMatchObject({ lifetime: 3600 })
    await keeper.add('sensors', account)
    const first = await run(keeper.getToken('sensors'))
    await pass(58 * minute)
    expect((await run(keeper.getToken('sensors'))).value).toBe(first.value)
    await run(keeper.tend('sensors'))
    expect(tokenRequests()).toHaveLength(1)
    await pass(minute + 1_000)
    await run(keeper.tend('sensors'))
    expect((await run(keeper.getToken('sensors'))).generation).toBe(2)
    expect(tokenRequests()).toHaveLength(2)
  })
})
