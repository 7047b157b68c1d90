import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Practice } from '../src/exchange.ts'
import { FaultQueue } from '../src/fault.ts'
import { resolvePracticeOptions } from '../src/practice-options.ts'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { PracticeState } from '../src/practice-state.ts'
import { ProofNonces } from '../src/proof-nonces.ts'
import { RecordedExchanges } from '../src/recorded-exchange.ts'
import { route } from '../src/routes.ts'
import { TruthLog } from '../src/truth-log.ts'
import { asks, basic, login, post, refresh, tokensOf } from './requests.ts'

let server: PracticeServer
let now: number
beforeEach(async () => {
  now = 1_800_000_000_000
  server = await startPracticeServer({ now: () => now })
})
afterEach(() => server.stop())

const introspect = async (token: string, headers: Record<string, string> = {}) =>
  post(server, { token }, headers, '/introspect')

describe('introspection', () => {
  test('describes an access token and a refresh token to anybody on this machine', async () => {
    const { access, refresh: token } = await login(server, 'ann')
    const iat = now / 1000
    const common = { active: true, client_id: 'practice-app', sub: 'ann', scope: 'read write', iat }
    expect((await introspect(access)).json).toEqual({
      ...common,
      iss: server.issuer,
      token_type: 'Bearer',
      exp: iat + 300,
    })
    expect((await introspect(token)).json).toEqual({ ...common, iss: server.issuer, exp: iat + 2_592_000 })
    expect((await introspect(token)).json).toEqual(
      JSON.parse(JSON.stringify(server.introspect(token))) as object,
    )
  })

  test('says of an expired, used, revoked or unknown token only that it is not active', async () => {
    const { access, refresh: used } = await login(server)
    const { refresh: revoked } = await login(server)
    await refresh(server, used)
    server.revokeFamily(revoked)
    now += 300_000
    for (const token of [access, used, revoked, 'unknown'])
      expect((await introspect(token)).json).toEqual({ active: false })
  })

  test('changes nothing: a used refresh token that is only looked at kills nobody', async () => {
    const first = await login(server)
    const second = tokensOf(await refresh(server, first.refresh))
    await introspect(first.refresh)
    expect((await refresh(server, second.refresh)).status).toBe(200)
  })

  test('refuses credentials that are wrong, and a request without a token', async () => {
    expect(await introspect('x', basic('practice-service', 'wrong'))).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    expect((await introspect('x', basic('practice-service', 'practice-service-secret'))).status).toBe(200)
    expect(await post(server, {}, {}, '/introspect')).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    })
  })
})

describe('introspection from another machine', () => {
  const practice = (): Practice => ({
    options: resolvePracticeOptions({}),
    state: new PracticeState(undefined, now),
    faults: new FaultQueue(1),
    nonces: new ProofNonces(() => now, 300),
    truth: new TruthLog(undefined, () => now),
    recorded: new RecordedExchanges([]),
    issuer: 'http://practice.example',
    tokenEndpoint: 'http://practice.example/token',
    now: () => now,
  })
  const ask = (body: string, headers: Record<string, string> = {}) =>
    route(
      {
        method: 'POST',
        path: '/introspect',
        query: new URLSearchParams(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body,
        remoteAddress: '192.0.2.1',
        record: { number: 1, at: now, method: 'POST', path: '/introspect', outcome: 'received' },
        note: () => undefined,
      },
      practice(),
    )

  test('needs a client that proves who it is', async () => {
    expect((await ask('token=x')).status).toBe(401)
    expect((await ask('token=x&client_id=practice-app')).status).toBe(401)
    expect((await ask('token=x', basic('practice-service', 'practice-service-secret'))).status).toBe(200)
  })
})

describe('revocation', () => {
  const revoke = async (token: string, client: Record<string, string> = { client_id: 'practice-app' }) =>
    post(server, { token, ...client }, {}, '/revoke')

  test('a refresh token takes its family and the access tokens along', async () => {
    const first = await login(server)
    const second = tokensOf(await refresh(server, first.refresh))
    expect((await revoke(second.refresh)).status).toBe(200)
    for (const token of [first.access, second.access]) expect((await asks(server, token)).status).toBe(401)
    expect((await refresh(server, second.refresh)).json).toEqual({
      error: 'invalid_grant',
      error_description: 'the login is revoked: revoked_by_client',
    })
  })

  test('an access token takes only itself along', async () => {
    const { access, refresh: token } = await login(server)
    expect((await revoke(access)).status).toBe(200)
    expect((await asks(server, access)).status).toBe(401)
    expect((await refresh(server, token)).status).toBe(200)
  })

  test('an unknown token is as good as revoked', async () => {
    expect((await revoke('unknown')).status).toBe(200)
  })

  test('a token of another client stays, and the client is told', async () => {
    const { access } = await login(server)
    const other = { client_id: 'practice-web', client_secret: 'practice-web-secret' }
    expect(await revoke(access, other)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    expect((await asks(server, access)).status).toBe(200)
  })

  test('a client must prove who it is', async () => {
    expect(await revoke('x', { client_id: 'practice-web' })).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    expect((await revoke('x', {})).status).toBe(401)
  })
})

describe('the administrator', () => {
  test('ends all logins of a subject and of nobody else', async () => {
    const [ann, alsoAnn, bob] = [
      await login(server, 'ann'),
      await login(server, 'ann'),
      await login(server, 'bob'),
    ]
    expect(server.revokeLogin('ann')).toBe(2)
    expect(server.revokeLogin('ann')).toBe(0)
    for (const { access } of [ann, alsoAnn]) expect((await asks(server, access)).status).toBe(401)
    expect((await asks(server, bob.access)).status).toBe(200)
    expect((await refresh(server, ann.refresh)).json.error).toBe('invalid_grant')
  })

  test('ends the family of any of its tokens', async () => {
    const first = await login(server)
    expect(server.revokeFamily(first.access)).toBe(true)
    expect(server.revokeFamily(first.refresh)).toBe(false)
    expect(server.revokeFamily('unknown')).toBe(false)
    expect((await refresh(server, first.refresh)).json.error).toBe('invalid_grant')
  })
})
