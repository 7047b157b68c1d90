import { generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  type GrantDefinition,
  jwtBearer,
  passwordCredentials,
  refreshToken,
} from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { requestedToken } from '../../src/grants/requested-token.ts'
import { nodeTransport } from '../../src/oauth/node-transport.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { practised } from '../grants/practised.ts'
import { httpServer } from '../oauth/servers.ts'

const minute = 60_000
const hour = 60 * minute
const subscription = 'k3y0'.repeat(8)
const password = 'hunter2 "quoted"'

describe('Quartile, as the catalogue has it', () => {
  /** Answers as its documentation shows: 201, nested, moments without a zone, each refresh token good once. */
  async function quartile() {
    const { clock, run, pass, failure } = await practised()
    const requests: { path: string | undefined; key: unknown; body: Record<string, unknown> }[] = []
    let live = 'refresh-0'
    let gate: Promise<void> | undefined
    const moment = (ms: number): string => new Date(ms).toISOString().slice(0, 19)
    const origin = await httpServer(async (request, response) => {
      let text = ''
      for await (const chunk of request.setEncoding('utf8')) text += chunk
      const body = JSON.parse(text) as Record<string, unknown>
      requests.push({ path: request.url, key: request.headers['subscription-key'], body })
      await gate
      const good = request.url?.endsWith('/login')
        ? body.username === 'ann@example.com' && body.password === password
        : body.token === live
      if (!good) {
        response.writeHead(401, { 'content-type': 'application/json' })
        const quoted = body.token ?? body.password
        response.end(JSON.stringify({ error: 'invalid_grant', error_description: `no ${quoted}` }))
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
    let underWay = 0
    const keeper = await Keeper.open({
      store: memoryStore({ clock, ephemeral: true }),
      clock,
      transport: async (request) => {
        underWay += 1
        try {
          return await wire({ ...request, url: request.url.replace('https://api.quartile.com', origin) })
        } finally {
          underWay -= 1
        }
      },
    })
    const options = { profile: catalogueProfile('quartile'), variables: { subscription_key: subscription } }
    /** From now on no answer comes before `open` is called. */
    const close = (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return () => {
        gate = undefined
        resolve()
      }
    }
    const kill = (): void => {
      live = 'none'
    }
    return { keeper, clock, run, pass, failure, requests, kill, close, options, busy: () => underWay > 0 }
  }

  async function imported() {
    const world = await quartile()
    const definition = refreshToken({ ...world.options, clientId: 'us', refreshToken: 'refresh-0' })
    await world.keeper.add('ads', definition)
    return world
  }

  async function loggedIn() {
    const world = await quartile()
    await world.keeper.add('ads', passwordCredentials(world.options))
    await world.run(world.keeper.login('ads', { username: 'ann@example.com', password }))
    return world
  }

  test('an imported refresh token is renewed as JSON at its own address, life after life', async () => {
    const { keeper, clock, run, pass, requests } = await imported()
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

  test('a login by password is one request of JSON, and lives by its refresh tokens afterwards', async () => {
    const { keeper, clock, run, pass, requests } = await loggedIn()
    expect(await keeper.show('ads')).toMatchObject({ state: 'active', grantType: 'password', generation: 1 })
    const first = await run(keeper.getToken('ads'))
    expect(first).toMatchObject({ value: 'access-1', type: 'Bearer' })
    expect(first.expiresAt - clock.now()).toBeGreaterThan(12 * hour - 2_000)
    for (const life of [2, 3]) {
      await pass(12 * hour)
      expect((await run(keeper.getToken('ads'))).value).toBe(`access-${life}`)
    }
    expect(requests).toEqual([
      { path: '/auth/v2/login', key: subscription, body: { username: 'ann@example.com', password } },
      { path: '/auth/v2/refresh', key: subscription, body: { token: 'refresh-1' } },
      { path: '/auth/v2/refresh', key: subscription, body: { token: 'refresh-2' } },
    ])
    await run(keeper.close())
  })

  test('while it is refreshed readers wait for the new token, because the old one dies with the refresh', async () => {
    const { keeper, clock, run, pass, requests, close, busy } = await loggedIn()
    expect((await run(keeper.getToken('ads'))).value).toBe('access-1')
    // Half its life is left: anywhere else the old token would go on being handed out meanwhile.
    await pass(6 * hour)
    const open = close()
    const refreshed = keeper.refresh('ads')
    await clock.until(
      (async () => {
        while (requests.length < 2) await new Promise((resolve) => setImmediate(resolve))
      })(),
    )
    const read: string[] = []
    const readers = [1, 2, 3].map(async () => read.push((await keeper.getToken('ads')).value))
    await clock.advance(0)
    expect(read).toEqual([])
    open()
    await clock.until(Promise.all([refreshed, ...readers]), busy)
    expect(read).toEqual(['access-2', 'access-2', 'access-2'])
    await run(keeper.close())
  })

  test('a refused refresh token needs a person at last, who logs in again under the same name; nothing told quotes a secret', async () => {
    const { keeper, run, pass, failure, kill, requests } = await loggedIn()
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
    const wrong = await failure(
      keeper.login('ads', { username: 'ann@example.com', password: 'hunter3-wrong' }),
    )
    expect(wrong).toMatchObject({ code: 'invalid_grant', advice: expect.stringContaining('the password') })
    expect(await keeper.show('ads')).toMatchObject({ state: 'reauthorization_required' })
    await run(keeper.login('ads', { username: 'ann@example.com', password }))
    expect((await run(keeper.getToken('ads'))).value).toBe('access-6')
    const told = JSON.stringify([refused.message, shown, wrong, wrong.message, await keeper.notices()])
    expect(told).not.toMatch(/refresh-\d|k3y0|hunter/)
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

describe('GitHub App installations, as the catalogue has it', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string

  async function github() {
    const { clock, run, pass } = await practised()
    let underWay = 0
    const requests: { line: string; headers: Record<string, unknown>; body: string }[] = []
    let answer: { status: number; body: object } | undefined
    const origin = await httpServer(async (request, response) => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk
      requests.push({ line: `${request.method} ${request.url}`, headers: request.headers, body })
      const { status, body: said } = answer ?? {
        status: 201,
        body: {
          token: `ghs_${requests.length}`,
          expires_at: new Date(clock.now() + hour).toISOString().replace(/\.\d+/, ''),
          permissions: { contents: 'read' },
          repository_selection: 'selected',
        },
      }
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
      response.end(JSON.stringify(said))
    })
    const wire = nodeTransport()
    const keeper = await Keeper.open({
      store: memoryStore({ clock, ephemeral: true }),
      clock,
      random: () => 0.5,
      transport: async (request) => {
        underWay += 1
        try {
          return await wire({ ...request, url: request.url.replace('https://api.github.com', origin) })
        } finally {
          underWay -= 1
        }
      },
    })
    const definition = (installation_id = '123'): GrantDefinition =>
      requestedToken({
        profile: catalogueProfile('github-app-installation')!,
        variables: { installation_id },
        clientId: 'Iv23liABC',
        assertion: { key: { algorithm: 'RS256', key: pem } },
      })
    const say = (status: number, message: string): void => {
      answer = {
        status,
        body: { message, documentation_url: 'https://docs.github.com/rest', status: `${status}` },
      }
    }
    /** Signing takes its time on another thread: none passes here before the request has arrived. */
    const sends = <T>(work: Promise<T>): Promise<T> => {
      const expected = requests.length + 1
      return clock.until(work, () => requests.length < expected || underWay > 0)
    }
    return { keeper, clock, run, pass, requests, definition, say, sends }
  }

  test('a JWT of the app buys a token for an hour, and another one the next', async () => {
    const { keeper, clock, run, pass, requests, definition, sends } = await github()
    await keeper.add('repo', definition())
    const asked = Math.floor(clock.now() / 1000)
    const first = await sends(keeper.getToken('repo'))
    expect(first).toMatchObject({
      value: 'ghs_1',
      type: 'Bearer',
      metadata: { permissions: { contents: 'read' }, repository_selection: 'selected' },
    })
    expect(first.expiresAt - clock.now()).toBeGreaterThan(hour - 2_000)
    const [{ line, headers, body } = { line: '', headers: {}, body: '' }] = requests
    expect(line).toBe('POST /app/installations/123/access_tokens')
    expect({ body, ...headers }).toMatchObject({
      body: '{}',
      accept: 'application/vnd.github+json',
      'content-type': 'application/json',
      'user-agent': 'evertoken',
      'x-github-api-version': '2022-11-28',
    })
    const jwt = String(headers.authorization).replace('Bearer ', '')
    const { payload, protectedHeader } = await jwtVerify(jwt, publicKey, {
      currentDate: new Date(clock.now()),
    })
    expect(protectedHeader.alg).toBe('RS256')
    // Ten minutes from GitHub's now are the most, and nothing that it does not describe is sent.
    expect(payload).toEqual({ iss: 'Iv23liABC', iat: asked - 60, exp: asked + 540 })
    await pass(hour)
    expect((await sends(keeper.getToken('repo'))).value).toBe('ghs_2')
    expect(requests[1]?.headers.authorization).not.toBe(headers.authorization)
    await run(keeper.close())
  })

  test('another installation is another token', async () => {
    const { keeper, run, definition, requests, sends } = await github()
    await keeper.add('repo', definition())
    await sends(keeper.getToken('repo'))
    await keeper.ensure('repo', definition('456'))
    expect((await sends(keeper.getToken('repo'))).value).toBe('ghs_2')
    expect(requests[1]?.line).toBe('POST /app/installations/456/access_tokens')
    await run(keeper.close())
  })

  test('a wrong key is somebody to change, and an installation that is gone needs a person at last', async () => {
    const { keeper, run, pass, definition, say, requests, sends } = await github()
    await keeper.add('repo', definition())
    say(401, 'A JSON web token could not be decoded')
    const wrong = await sends(keeper.refresh('repo').catch((error: Error) => error))
    expect((wrong as Error).message).toContain('A JSON web token could not be decoded')
    expect(await keeper.show('repo')).toMatchObject({ state: 'active' })
    say(404, 'Not Found')
    for (const wait of [60, 10, 60]) {
      await pass(wait * minute)
      await sends(keeper.tend('repo'))
    }
    expect(await keeper.show('repo')).toMatchObject({ state: 'reauthorization_required' })
    expect(requests).toHaveLength(4)
    const jwt = String(requests[0]?.headers.authorization).split(' ')[1]
    expect(JSON.stringify([wrong, (wrong as Error).message, await keeper.show('repo')])).not.toContain(jwt)
    await run(keeper.close())
  })
})
