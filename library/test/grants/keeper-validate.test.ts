import { describe, expect, test } from 'vitest'
import { practised } from './practised.ts'

describe('whether a token is good', () => {
  test('is told by introspection, where the provider has it', async () => {
    const { keeper, run, server, app, login } = await practised()
    await run(keeper.add('work', app()))
    await login('work', 'ann')
    expect(await run(keeper.validate('work'))).toMatchObject({
      grant: 'work',
      valid: true,
      by: 'introspection',
      generation: 1,
      unanswered: [],
    })
    server.revokeLogin('ann')
    expect(await run(keeper.validate('work'))).toMatchObject({ valid: false, by: 'introspection' })
  })

  test('is told by userinfo, where introspection says nothing and the scope is openid', async () => {
    const { keeper, run, server, app, login, answerWith } = await practised()
    await run(keeper.add('work', app({ scope: 'openid' })))
    await login('work', 'ann')
    answerWith(({ path }) =>
      path === '/introspect' ? { status: 403, body: '{"error":"access_denied"}' } : undefined,
    )
    const unanswered = [{ by: 'introspection', why: 'status 403, access_denied' }]
    expect(await run(keeper.validate('work'))).toMatchObject({ valid: true, by: 'userinfo', unanswered })
    server.revokeLogin('ann')
    expect(await run(keeper.validate('work'))).toMatchObject({ valid: false, by: 'userinfo', unanswered })
  })

  test('is not asked of userinfo for any other scope: a token for an API is refused there though it is good', async () => {
    const { keeper, run, server, app, login, answerWith } = await practised()
    await run(keeper.add('work', app()))
    await login('work')
    answerWith(({ path }) => (path === '/introspect' ? { status: 500, body: '' } : undefined))
    expect(await run(keeper.validate('work'))).toMatchObject({ valid: true, by: 'expiry' })
    expect(server.requests.map(({ path }) => path)).not.toContain('/userinfo')
  })

  test("is told by a call of the client's own, where there is neither", async () => {
    const { keeper, run, server, service } = await practised()
    const validationUrl = `${server.issuer}/api/whoami`
    await run(keeper.add('billing', service({ validationUrl })))
    await run(keeper.getToken('billing'))
    expect(await run(keeper.validate('billing'))).toMatchObject({ valid: true, by: 'call', unanswered: [] })
  })

  test('is told by the exp of a JWT, where nobody can be asked', async () => {
    const { keeper, run, clock, service, answerWith } = await practised()
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const iat = Math.floor(clock.now() / 1000)
    const jwt = `${part({ alg: 'none' })}.${part({ iat, exp: iat + 60 })}.c2ln`
    answerWith({ status: 200, body: JSON.stringify({ access_token: jwt, expires_in: 3600 }) })
    await run(keeper.add('billing', service()))
    await run(keeper.getToken('billing'))
    expect(await run(keeper.validate('billing'))).toMatchObject({ valid: true, by: 'jwt' })
    await clock.advance(61_000)
    expect(await run(keeper.validate('billing'))).toMatchObject({ valid: false, by: 'jwt' })
  })

  test('is told by its expiry, where nobody can be asked', async () => {
    const { keeper, run, clock, service } = await practised()
    await run(keeper.add('billing', service()))
    const { expiresAt } = await run(keeper.getToken('billing'))
    expect(await run(keeper.validate('billing'))).toMatchObject({ valid: true, by: 'expiry', expiresAt })
    await clock.advance(expiresAt - clock.now())
    expect(await run(keeper.validate('billing'))).toMatchObject({ valid: false, by: 'expiry', generation: 1 })
  })

  test('is told by its expiry when the provider is gone, and what was tried is named without the token', async () => {
    const { keeper, run, server, app, login } = await practised()
    await run(
      keeper.add(
        'work',
        app({
          tokenUrl: server.tokenEndpoint,
          authorizationUrl: `${server.issuer}/authorize`,
          introspectionUrl: 'http://127.0.0.1:1/introspect',
          validationUrl: 'http://127.0.0.1:1/',
        }),
      ),
    )
    await login('work')
    const { value } = await run(keeper.getToken('work'))
    const found = await run(keeper.validate('work'))
    expect(found).toMatchObject({ valid: true, by: 'expiry' })
    expect(found.unanswered.map(({ by }) => by)).toEqual(['introspection', 'call'])
    expect(found.unanswered[0]?.why).toContain('ECONNREFUSED')
    expect(JSON.stringify(found)).not.toContain(value)
  })

  test('needs a token to look at, and obtains none', async () => {
    const { keeper, run, failure, tokenRequests, service } = await practised()
    await run(keeper.add('billing', service()))
    expect(await failure(keeper.validate('billing'))).toMatchObject({ code: 'token_unavailable' })
    expect(await failure(keeper.validate('nobody'))).toMatchObject({ code: 'unknown_grant' })
    expect(tokenRequests()).toEqual([])
  })
})
