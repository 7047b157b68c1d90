import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { asks, basic, login, post, refresh, tokensOf } from './requests.ts'

let server: PracticeServer
let now: number
beforeEach(() => {
  now = 1_800_000_000_000
})
afterEach(() => server.stop())

describe('with strict rotation', () => {
  beforeEach(async () => {
    server = await startPracticeServer({
      now: () => now,
      lifetimes: { accessToken: 300, refreshToken: 3600 },
    })
  })

  test('a refresh gives a new pair, and the old access token lives on', async () => {
    const first = await login(server)
    const answer = await refresh(server, first.refresh)
    expect(answer).toMatchObject({
      status: 200,
      json: { token_type: 'Bearer', expires_in: 300, scope: 'read write' },
    })
    const second = tokensOf(answer)
    expect(second.access).not.toBe(first.access)
    expect(second.refresh).not.toBe(first.refresh)
    expect(server.introspect(first.refresh)).toEqual({ active: false })
    expect((await asks(server, first.access)).status).toBe(200)
    expect((await asks(server, second.access)).status).toBe(200)
  })

  test('a refresh token used again kills the family with all its access tokens', async () => {
    const first = await login(server, 'ann')
    const other = await login(server, 'ann')
    const second = tokensOf(await refresh(server, first.refresh))
    expect(await refresh(server, first.refresh)).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    for (const token of [first.access, second.access]) expect((await asks(server, token)).status).toBe(401)
    expect(await refresh(server, second.refresh)).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'the login is revoked: refresh_token_reused' },
    })
    expect((await refresh(server, other.refresh)).status).toBe(200)
  })

  test('of many refreshes at once with the same token, one gets a pair, which is dead at once', async () => {
    const first = await login(server)
    const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(server, first.refresh)))
    const issued = answers.filter(({ status }) => status === 200)
    expect(issued).toHaveLength(1)
    expect(server.introspect(String(issued[0]?.json.access_token))).toEqual({ active: false })
  })

  test('a refresh that is refused spends nothing', async () => {
    const first = await login(server)
    expect(await refresh(server, first.refresh, 'read admin')).toMatchObject({
      json: { error: 'invalid_scope' },
    })
    const asOther = { grant_type: 'refresh_token', refresh_token: first.refresh, client_id: 'practice-web' }
    expect(await post(server, { ...asOther, client_secret: 'practice-web-secret' })).toMatchObject({
      json: { error: 'invalid_grant' },
    })
    expect(await post(server, { ...asOther, client_secret: 'wrong' })).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    expect((await refresh(server, first.refresh)).status).toBe(200)
  })

  test('a narrower scope is for that access token only', async () => {
    const first = await login(server)
    const narrow = await refresh(server, first.refresh, 'read')
    expect(narrow.json.scope).toBe('read')
    expect((await refresh(server, tokensOf(narrow).refresh)).json.scope).toBe('read write')
  })

  test('each rotation starts the lifetime of the refresh token anew, and then it expires', async () => {
    const first = await login(server)
    now += 3_599_999
    const second = tokensOf(await refresh(server, first.refresh))
    now += 3_599_999
    const third = tokensOf(await refresh(server, second.refresh))
    now += 3_600_000
    expect(await refresh(server, third.refresh)).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'the refresh token has expired' },
    })
  })

  test('a used token that comes again after its own expiry is only expired', async () => {
    const first = await login(server)
    now += 1_800_000
    const second = tokensOf(await refresh(server, first.refresh))
    now += 1_800_000
    expect((await refresh(server, first.refresh)).json.error).toBe('invalid_grant')
    expect((await refresh(server, second.refresh)).status).toBe(200)
  })
})

test('without rotation the refresh token stays, however often it is used', async () => {
  server = await startPracticeServer({ rotation: 'none' })
  const { refresh: token } = await login(server)
  for (let round = 0; round < 3; round++) {
    const { status, json } = await refresh(server, token)
    expect(status).toBe(200)
    expect(json).not.toHaveProperty('refresh_token')
    expect((await asks(server, json.access_token)).status).toBe(200)
  }
  expect(server.introspect(token)).toMatchObject({ active: true })
})

test('a client without the refresh token grant gets no refresh token and may not use one', async () => {
  server = await startPracticeServer()
  const service = basic('practice-service', 'practice-service-secret')
  const form = { grant_type: 'refresh_token', refresh_token: 'x' }
  expect(await post(server, form, service)).toMatchObject({
    status: 400,
    json: { error: 'unauthorized_client' },
  })
})
