import { consent, fingerprint } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { dueIds, practised, redirectUri } from './practised.ts'

const minute = 60_000

describe('every grant type lives through its first token, the next, and a reader with another scope', () => {
  test('client credentials', async () => {
    const { keeper, clock, run, server, service } = await practised()
    expect(
      await keeper.add('billing', service({ scope: 'read write' }), { labels: { team: 'money' } }),
    ).toMatchObject({
      id: 'billing',
      state: 'active',
      grantType: 'client_credentials',
      provider: new URL(server.issuer).host,
      labels: { team: 'money' },
      generation: 0,
      freshness: 'none',
    })
    const first = await run(keeper.getToken('billing'))
    expect(first).toMatchObject({ scope: ['read', 'write'], generation: 1 })
    await clock.advance(61 * minute)
    const second = await run(keeper.getToken('billing'))
    expect(second.generation).toBe(2)
    const narrow = await run(keeper.getToken('billing', { scope: 'read' }))
    expect(narrow).toMatchObject({ scope: ['read'], generation: 1 })
    expect(server.introspect(narrow.value)).toMatchObject({ active: true, scope: 'read' })
    expect(await keeper.show('billing')).toMatchObject({
      state: 'active',
      generation: 2,
      otherTokens: 1,
      freshness: 'fresh',
      failures: 0,
      expiresAt: clock.now() + 60 * minute,
      lastRefreshAt: clock.now(),
    })
  })

  test('a service account that signs an assertion', async () => {
    const { keeper, clock, run, server, account } = await practised()
    await keeper.add('robot', account())
    const first = await run(keeper.getToken('robot'))
    expect(server.introspect(first.value)).toMatchObject({ active: true, sub: 'robot', scope: 'read' })
    await clock.advance(61 * minute)
    expect((await run(keeper.getToken('robot'))).generation).toBe(2)
  })

  test('an imported refresh token, which rotates', async () => {
    const { keeper, clock, run, server, imported, tokenRequests } = await practised()
    await keeper.add('work', await imported())
    const before = tokenRequests().length
    const first = await run(keeper.getToken('work'))
    expect(server.introspect(first.value)).toMatchObject({ active: true, sub: 'practice-user' })
    await clock.advance(61 * minute)
    expect((await run(keeper.getToken('work'))).generation).toBe(2)
    expect((await run(keeper.getToken('work', { scope: 'read' }))).scope).toEqual(['read'])
    expect((await run(keeper.refresh('work'))).generation).toBe(3)
    const spent = tokenRequests().slice(before)
    expect(spent.map(({ outcome }) => outcome)).toEqual(['issued', 'issued', 'issued', 'issued'])
    // Each refresh spends the refresh token that the one before brought.
    expect(spent.slice(1).map(({ presented }) => presented)).toEqual(
      spent.slice(0, -1).map(({ refreshToken }) => refreshToken),
    )
  })

  test('a person’s consent, by discovery', async () => {
    const { keeper, clock, run, failure, server, app, login, tokenRequests } = await practised()
    expect(await keeper.add('work', app())).toMatchObject({ state: 'pending', provider: server.issuer })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_pending' })
    await login('work', 'person-1')
    const first = await run(keeper.getToken('work'))
    expect(server.introspect(first.value)).toMatchObject({
      active: true,
      sub: 'person-1',
      scope: 'read write',
    })
    await clock.advance(61 * minute)
    expect((await run(keeper.getToken('work'))).generation).toBe(2)
    expect(tokenRequests().map(({ grantType }) => grantType)).toEqual(['authorization_code', 'refresh_token'])
  })
})

describe('a consent', () => {
  test('is good once', async () => {
    const { keeper, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url, expiresAt } = await run(keeper.beginConsent('work', { redirectUri }))
    expect(expiresAt).toBe(keeper.clock.now() + 10 * minute)
    const callback = new URL(await consent(url))
    expect(await run(keeper.finishConsent(callback))).toMatchObject({
      id: 'work',
      state: 'active',
      generation: 1,
    })
    expect(await failure(keeper.finishConsent(callback))).toMatchObject({ code: 'state_unknown' })
  })

  test('is kept when the store has no room at that moment: its code would not be taken again', async () => {
    let full = false
    let refused = 0
    const { keeper, run, app, tokenRequests } = await practised({
      store: (clock) =>
        memoryStore({
          clock,
          save: async () => {
            if (!full) return
            refused += 1
            if (refused === 3) full = false
            throw new Error('no room')
          },
        }),
    })
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(await consent(url))
    full = true
    expect(await run(keeper.finishConsent(callback))).toMatchObject({ state: 'active', generation: 1 })
    expect(refused).toBe(3)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('ends after ten minutes', async () => {
    const { keeper, clock, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(await consent(url))
    await clock.advance(10 * minute)
    expect(await failure(keeper.finishConsent(callback))).toMatchObject({ code: 'state_unknown' })
  })

  test('belongs to the browser that began it', async () => {
    const { keeper, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri, binding: 'cookie-1' }))
    const callback = new URL(await consent(url))
    expect(await failure(keeper.finishConsent(callback, 'cookie-2'))).toMatchObject({ code: 'state_unknown' })
  })

  test('that was refused, or answered by nobody we asked, leaves the grant pending', async () => {
    const { keeper, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(await consent(url, { deny: true }))
    expect(await failure(keeper.finishConsent(callback))).toMatchObject({
      code: 'consent_denied',
      grant: 'work',
    })
    expect(await failure(keeper.finishConsent(new URL(redirectUri)))).toMatchObject({ code: 'state_missing' })
    expect(await failure(keeper.finishConsent(new URL(`${redirectUri}?state=x&code=y`)))).toMatchObject({
      code: 'state_unknown',
    })
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('that another issuer answers is refused', async () => {
    const { keeper, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(await consent(url))
    callback.searchParams.set('iss', 'https://attacker.example')
    expect(await failure(keeper.finishConsent(callback))).toMatchObject({ code: 'issuer_mismatch' })
  })

  test('is nothing for a grant that nobody consents to', async () => {
    const { keeper, failure, service } = await practised()
    await keeper.add('billing', service())
    expect(await failure(keeper.beginConsent('billing', { redirectUri }))).toMatchObject({
      code: 'invalid_request',
    })
    expect(await failure(keeper.beginConsent('nobody', { redirectUri }))).toMatchObject({
      code: 'unknown_grant',
    })
  })

  test('to a grant that was removed and added again under its name does not finish for the new one', async () => {
    const { keeper, run, failure, app } = await practised()
    await keeper.add('work', app())
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    const callback = new URL(await consent(url))
    await keeper.remove('work')
    await keeper.add('work', app())
    expect(await failure(keeper.finishConsent(callback))).toMatchObject({ code: 'state_unknown' })
  })

  test('renewed while the old login is being refreshed wins: the late answer changes nothing', async () => {
    const { keeper, clock, run, server, app, login, answerWith } = await practised()
    await keeper.add('work', app())
    await login('work', 'person-1')
    await clock.advance(61 * minute)
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answerWith(({ parameters }) => {
        if (parameters.grant_type !== 'refresh_token') return undefined
        return new Promise((go) => {
          answer = () => go(undefined)
          resolve()
        })
      })
    })
    const waiting = keeper.getToken('work')
    await asked
    await login('work', 'person-1')
    answer()
    const token = await run(waiting)
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
    await clock.advance(61 * minute)
    answerWith(undefined)
    expect((await run(keeper.getToken('work'))).generation).toBe(3)
  })
})

describe('tokens of other scopes and resources', () => {
  test('are rows of their own, however the scope is written, and one refresh at a time', async () => {
    const { keeper, run, tokenRequests, service } = await practised()
    await keeper.add('billing', service())
    const tokens = await run(
      Promise.all([
        keeper.getToken('billing', { scope: 'a b' }),
        keeper.getToken('billing', { scope: ['b', 'a', 'a'] }),
        keeper.getToken('billing', { scope: 'a' }),
        keeper.getToken('billing', { resource: 'https://api.example' }),
        keeper.getToken('billing'),
      ]),
    )
    const [ab, ba, a, resource, own] = tokens.map(({ value }) => value)
    await run(keeper.getToken('billing', { scope: 'b a' }))
    expect(ab).toBe(ba)
    expect(new Set([ab, a, resource, own]).size).toBe(4)
    expect(tokenRequests()).toHaveLength(4)
    expect(await keeper.show('billing')).toMatchObject({ otherTokens: 3, generation: 1 })
    expect(keeper.peekToken('billing', { scope: 'b a' })?.value).toBe(ab)
  })

  test('a scope that one reader must not have harms neither the grant nor another reader', async () => {
    const { keeper, run, failure, imported, told } = await practised()
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    expect(await failure(keeper.getToken('work', { scope: 'admin' }))).toMatchObject({
      name: 'InvalidScopeError',
      code: 'invalid_scope',
    })
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, lastError: undefined })
    expect((await run(keeper.getToken('work', { scope: 'read' }))).scope).toEqual(['read'])
    expect((await run(keeper.refresh('work'))).generation).toBe(2)
    expect(told.filter(([event]) => event === 'reauthorization_required')).toEqual([])
  })

  test('a scope that was refused is not asked for again within a minute, however often it is read', async () => {
    const { keeper, clock, run, failure, imported, tokenRequests } = await practised()
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    const before = tokenRequests().length
    for (let read = 0; read < 20; read++)
      expect(await failure(keeper.getToken('work', { scope: 'admin' }))).toMatchObject({
        code: 'invalid_scope',
      })
    expect(tokenRequests()).toHaveLength(before + 1)
    await clock.advance(minute)
    expect(await failure(keeper.getToken('work', { scope: 'admin' }))).toMatchObject({
      code: 'invalid_scope',
    })
    expect(tokenRequests()).toHaveLength(before + 2)
  })

  test('a source can be bound to one of them', async () => {
    const { keeper, run, service } = await practised()
    await keeper.add('billing', service())
    const source = keeper.source('billing', { scope: 'read' })
    const token = await run(source.getToken())
    expect(token.scope).toEqual(['read'])
    expect((await run(source.rejected({ generation: 1 }))).generation).toBe(2)
    expect(keeper.peekToken('billing')).toBeUndefined()
  })
})

test('members of the answer that the grant allows are handed out beside the token, and never a token', async () => {
  const { keeper, run, answerWith, service } = await practised()
  const answer = {
    access_token: 'access-1',
    refresh_token: 'refresh-1',
    id_token: 'id-1',
    expires_in: 60,
    instance_url: 'https://eu.example',
    other: 1,
  }
  answerWith({ status: 200, body: JSON.stringify(answer) })
  const metadata = ['instance_url', 'access_token', 'refresh_token', 'id_token', 'missing', '__proto__']
  await keeper.add('billing', service({ metadata }))
  const token = await run(keeper.getToken('billing'))
  expect(token.metadata).toEqual({ instance_url: 'https://eu.example' })
  expect(token.value).toBe('access-1')
})

describe('discovery', () => {
  test('is made once for many grants, and again after an hour', async () => {
    const { keeper, clock, run, server, service } = await practised()
    const discovered = () => server.requests.filter(({ path }) => path.includes('well-known')).length
    for (const id of ['a', 'b', 'c'])
      await keeper.add(id, service({ issuer: server.issuer, tokenUrl: undefined }))
    await run(Promise.all(['a', 'b', 'c'].map((id) => keeper.getToken(id))))
    expect(discovered()).toBe(1)
    await clock.advance(61 * minute)
    await run(keeper.getToken('a'))
    expect(discovered()).toBe(2)
  })

  test('that fails is a failure like another: stored, told, and tried again', async () => {
    const { keeper, run, failure, server, service, answerWith } = await practised({
      timing: { patience: 10_000 },
    })
    await keeper.add('a', service({ issuer: server.issuer, tokenUrl: undefined }))
    answerWith({ status: 500 })
    expect(await failure(keeper.getToken('a'))).toMatchObject({ code: 'discovery_failed', grant: 'a' })
    expect((await keeper.show('a')).lastError).toMatchObject({ code: 'discovery_failed' })
    answerWith(undefined)
    expect((await run(keeper.refresh('a'))).generation).toBe(1)
  })

  // Too late to send, the claim was left as it was: everybody waited for its lease to run out.
  test('that takes longer than a claim may last costs one claim, and nobody waits for it', async () => {
    const { keeper, clock, run, server, answerWith, app, login } = await practised()
    await keeper.add('work', app())
    await login('work')
    await clock.advance(61 * minute)
    let discoveries = 0
    answerWith(({ path }) => {
      if (!path.includes('well-known')) return undefined
      discoveries += 1
      if (discoveries === 1) clock.suspend(6000)
      return undefined
    })
    const before = clock.now()
    const { fence = 0 } = (await keeper.store.read('work')) ?? {}
    expect((await run(keeper.getToken('work'))).generation).toBe(2)
    expect(clock.now() - before).toBeLessThan(7000)
    // One claim that came to nothing, one that did, and its commit.
    expect((await keeper.store.read('work'))?.fence).toBe(fence + 3)
    expect(server.requests.filter(({ grantType }) => grantType === 'refresh_token')).toHaveLength(1)
  })
})

test('a provider that issues no refresh token makes the login end with its access token, and says so', async () => {
  const { keeper, clock, run, failure, server, login, answerWith, told } = await practised()
  await keeper.add('work', authorizationCode({ issuer: server.issuer, clientId: 'practice-app' }))
  answerWith(({ path }) =>
    path === '/token' ? { status: 200, body: '{"access_token":"only","expires_in":3600}' } : undefined,
  )
  await login('work')
  expect((await run(keeper.getToken('work'))).value).toBe('only')
  await clock.advance(50 * minute)
  expect(await run(keeper.tend('work'))).toMatchObject({ kind: 'failed' })
  expect((await run(keeper.getToken('work'))).value).toBe('only')
  expect(told.at(-1)).toEqual([
    'reauthorization_required',
    {
      grant: 'work',
      reason: expect.stringContaining('no refresh token'),
      advice: expect.stringContaining('evertoken login work'),
    },
  ])
  await clock.advance(11 * minute)
  expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'reauthorization_required' })
})

// Only a changed definition, or removing it and adding it anew, brought it back.
test('a grant whose tokens are minted is resumed after its provider had refused for certain', async () => {
  const { keeper, clock, run, failure, account, answerWith, told, tokenRequests } = await practised()
  await keeper.add('robot', account())
  answerWith(({ path }) =>
    path === '/token' ? { status: 400, body: '{"error":"invalid_grant"}' } : undefined,
  )
  const advice = expect.stringMatching(/evertoken resume/)
  expect(await failure(keeper.getToken('robot'))).toMatchObject({ name: 'InvalidGrantError', advice })
  for (const pause of [minute, 10 * minute]) {
    await clock.advance(pause)
    await run(keeper.tend('robot'))
  }
  const refused = {
    name: 'ReauthorizationRequiredError',
    code: 'reauthorization_required',
    grant: 'robot',
    advice,
  }
  const message = 'grant robot is not tried again by itself: the provider refused the grant (invalid_grant)'
  expect(await failure(keeper.getToken('robot'))).toMatchObject({ ...refused, message })
  expect(await failure(keeper.refresh('robot'))).toMatchObject({ ...refused, message })
  expect(told.at(-1)).toMatchObject(['reauthorization_required', { grant: 'robot', advice }])
  const asked = tokenRequests().length
  await clock.advance(60 * minute)
  expect([await dueIds(keeper), tokenRequests().length]).toEqual([[], asked])

  expect(await keeper.resume('robot')).toMatchObject({ state: 'active' })
  expect(await dueIds(keeper)).toEqual(['robot'])
  // It is judged as ever: not what was refused before counts, but what is refused from now on.
  await run(keeper.tend('robot'))
  expect(await keeper.show('robot')).toMatchObject({ state: 'suspect' })
  answerWith(undefined)
  await clock.advance(minute)
  expect((await run(keeper.getToken('robot'))).generation).toBe(1)
  expect(await keeper.show('robot')).toMatchObject({ state: 'active', failures: 0 })
  expect((await keeper.show('robot')).notices.map(({ kind }) => kind)).toEqual([
    'at_risk',
    'reauthorization_required',
    'recovered',
  ])
})

test('a login that its provider has refused for certain is not resumed, and who tries is told how to hand in another', async () => {
  const { keeper, clock, run, failure, imported, answerWith } = await practised()
  await keeper.add('work', await imported())
  answerWith(({ path }) =>
    path === '/token' ? { status: 400, body: '{"error":"invalid_grant"}' } : undefined,
  )
  for (const pause of [0, minute, 10 * minute]) {
    await clock.advance(pause)
    await run(keeper.tend('work'))
  }
  expect(await failure(keeper.resume('work'))).toMatchObject({
    name: 'ReauthorizationRequiredError',
    message: expect.stringContaining('grant work needs a new login'),
    advice: expect.stringContaining('evertoken replace work'),
  })
  expect((await keeper.show('work')).state).toBe('reauthorization_required')
})

test('a refresh token that the answer repeats or leaves out is kept', async () => {
  const { keeper, clock, run, server, imported, tokenRequests } = await practised({
    practice: { rotation: 'none' },
  })
  void server
  const definition = await imported({ replayClass: 'non_rotating' })
  await keeper.add('work', definition)
  const token = fingerprint(definition.refreshToken?.reveal() ?? '')
  for (let generation = 1; generation <= 3; generation++) {
    expect((await run(keeper.getToken('work'))).generation).toBe(generation)
    await clock.advance(61 * minute)
  }
  const refreshes = tokenRequests().filter(({ grantType }) => grantType === 'refresh_token')
  expect(refreshes.map(({ presented }) => presented)).toEqual([token, token, token])
})

test('a refresh token that the answer repeats is the same one: nothing is kept as its predecessor', async () => {
  const { keeper, run, imported, answerWith } = await practised()
  await keeper.add('work', await imported({ refreshToken: 'the-one-and-only' }))
  answerWith({
    status: 200,
    body: '{"access_token":"access-1","refresh_token":"the-one-and-only","expires_in":60}',
  })
  const before = (await keeper.store.read('work'))?.refreshToken
  await run(keeper.getToken('work'))
  const after = await keeper.store.read('work')
  expect(after?.refreshToken).toEqual(before)
  expect(after?.previousRefreshToken).toBeUndefined()
})

test('a refresh asks for no scope unless a reader does: the provider gives what was granted', async () => {
  const { keeper, run, imported, answerWith } = await practised()
  const asked: (string | undefined)[] = []
  await keeper.add('work', await imported({ scope: 'read write' }))
  answerWith(({ parameters }) => {
    asked.push(parameters.scope)
    return undefined
  })
  await run(keeper.getToken('work'))
  await run(keeper.getToken('work', { scope: 'read' }))
  expect(asked).toEqual([undefined, 'read'])
})
