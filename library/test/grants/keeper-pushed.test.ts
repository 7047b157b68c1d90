import { consent } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { practised, redirectUri } from './practised.ts'

const second = 1000
const required = { practice: { requirePushedAuthorization: true } }

describe('a consent whose request is pushed', () => {
  test('ends in a login where the provider takes no other, and the client said nothing', async () => {
    const { keeper, clock, run, server, app } = await practised(required)
    await keeper.add('work', app())
    const { url, urlExpiresAt, expiresAt, state } = await run(keeper.beginConsent('work', { redirectUri }))
    expect([urlExpiresAt, expiresAt]).toEqual([clock.now() + 60 * second, clock.now() + 600 * second])
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      client_id: 'practice-app',
      request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:practice_request_/),
    })
    const callback = new URL(await consent(url, { subject: 'ann' }))
    expect(callback.searchParams.get('state')).toBe(state)
    expect(await run(keeper.finishConsent(callback))).toMatchObject({ state: 'active', generation: 1 })
    const token = await run(keeper.getToken('work'))
    expect(server.introspect(token.value)).toMatchObject({ active: true, sub: 'ann', scope: 'read write' })
  })

  test('where the client wants it, with the secret that it has', async () => {
    const { keeper, run, server, app } = await practised()
    const web = { clientId: 'practice-web', clientSecret: 'practice-web-secret' } as const
    await keeper.add(
      'work',
      app({ ...web, clientAuthentication: 'client_secret_post', pushedAuthorization: true }),
    )
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    expect(await run(keeper.finishConsent(new URL(await consent(url))))).toMatchObject({ state: 'active' })
    expect(server.requests.find(({ path }) => path === '/par')).toMatchObject({
      clientId: 'practice-web',
      clientAuthentication: 'client_secret_post',
    })
  })

  test('not where nobody asks for it', async () => {
    const { keeper, run, server, app } = await practised()
    await keeper.add('work', app({ pushedAuthorization: false }))
    const begun = await run(keeper.beginConsent('work', { redirectUri }))
    expect(new URL(begun.url).searchParams.get('state')).toBe(begun.state)
    expect(begun).not.toHaveProperty('urlExpiresAt')
    expect(server.requests.filter(({ path }) => path === '/par')).toEqual([])
  })
})

describe('it does not begin', () => {
  test('at a provider that names no endpoint for it, unless the client does', async () => {
    const { keeper, run, failure, server, app } = await practised(required)
    const endpoints = {
      issuer: undefined,
      tokenUrl: server.tokenEndpoint,
      authorizationUrl: server.authorizationEndpoint,
      pushedAuthorization: true,
    }
    await keeper.add('work', app(endpoints))
    expect(await failure(keeper.beginConsent('work', { redirectUri }))).toMatchObject({
      code: 'invalid_configuration',
      grant: 'work',
      advice: expect.stringContaining('pushed_authorization_request_url'),
    })
    const pushedAuthorizationRequestUrl = server.pushedAuthorizationRequestEndpoint
    await keeper.ensure('work', app({ ...endpoints, pushedAuthorizationRequestUrl }))
    const { url } = await run(keeper.beginConsent('work', { redirectUri }))
    expect(await run(keeper.finishConsent(new URL(await consent(url))))).toMatchObject({ state: 'active' })
  })

  test('at a provider that wants it and publishes no endpoint', async () => {
    const { keeper, failure, server, app, answerWith } = await practised()
    await keeper.add('work', app())
    answerWith(({ path }) =>
      path.startsWith('/.well-known/')
        ? {
            status: 200,
            body: JSON.stringify({
              issuer: server.issuer,
              token_endpoint: server.tokenEndpoint,
              authorization_endpoint: server.authorizationEndpoint,
              require_pushed_authorization_requests: true,
            }),
          }
        : undefined,
    )
    const reason = await failure(keeper.beginConsent('work', { redirectUri }))
    expect(reason).toMatchObject({ code: 'invalid_configuration', grant: 'work' })
  })

  test.each([
    ['refuses the client', { status: 401, body: '{"error":"invalid_client"}' }, 'invalid_client'],
    ['refuses the scope', { status: 400, body: '{"error":"invalid_scope"}' }, 'invalid_scope'],
    ['refuses the request', { status: 400, body: '{"error":"invalid_request"}' }, 'provider_error'],
    ['answers with a page', { status: 200, body: '<html>' }, 'provider_answer_unusable'],
    ['redirects', { status: 302, headers: { location: '/' } }, 'provider_redirect'],
    ['breaks off', 'close' as const, 'provider_unreachable'],
  ])('at a provider that %s', async (_name, answer, code) => {
    const { keeper, failure, app, answerWith } = await practised(required)
    await keeper.add('work', app())
    answerWith(({ path }) => (path === '/par' ? answer : undefined))
    const reason = await failure(keeper.beginConsent('work', { redirectUri }))
    expect(reason).toMatchObject({ code, grant: 'work' })
    expect((await keeper.show('work')).state).toBe('pending')
  })
})
