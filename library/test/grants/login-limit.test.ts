import { describe, expect, test } from 'vitest'
import { type AuthorizationCodeOptions, authorizationCode } from '../../src/grants/definition.ts'
import { crowdedLogins } from '../../src/grants/login-limit.ts'
import { practised } from './practised.ts'

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Logins at a provider that keeps two for a user and app, and says who logged in. */
async function provider(change: Partial<AuthorizationCodeOptions> = {}) {
  const at = await practised()
  let subject: string | undefined = 'ada'
  let count = 0
  at.answerWith(({ path }) => {
    if (path !== '/token') return undefined
    count += 1
    const idToken = subject && `${encoded({ alg: 'none' })}.${encoded({ sub: subject })}.`
    return {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        access_token: `access-${count}`,
        refresh_token: `refresh-${count}`,
        id_token: idToken,
        expires_in: 3600,
      }),
    }
  })
  const login = async (id: string, sub?: string) => {
    subject = sub
    const profile = {
      id: 'example',
      name: 'Example',
      token_url: at.server.tokenEndpoint,
      authorization_url: `${at.server.issuer}/authorize`,
      lifetimes: { login_limit: { count: 2, per: 'user and app' } },
    }
    await at.keeper.add(id, authorizationCode({ profile, clientId: 'practice-app', ...change }))
    await at.login(id)
  }
  return { ...at, login, crowds: async () => crowdedLogins(await at.keeper.list()) }
}

describe('more logins than a provider keeps alive', () => {
  test('are told by their grants, account by account', async () => {
    const { login, crowds, server } = await provider()
    await login('b', 'ada')
    await login('a', 'ada')
    await login('other', 'bob')
    expect(await crowds()).toEqual([])
    await login('c', 'ada')
    expect(await crowds()).toEqual([
      { count: 2, per: 'user and app', provider: new URL(server.issuer).host, grants: ['a', 'b', 'c'] },
    ])
  })

  test('are counted by client where nobody says whose they are', async () => {
    const { login, crowds } = await provider()
    for (const id of ['a', 'b']) await login(id)
    await login('known', 'ada')
    expect(await crowds()).toEqual([])
    await login('c')
    expect((await crowds()).map(({ grants }) => grants)).toEqual([['a', 'b', 'c']])
  })

  test('are counted while they live: neither one that waits for its consent nor one that is over', async () => {
    const { login, crowds, keeper, run } = await provider()
    for (const id of ['a', 'b', 'c']) await login(id, 'ada')
    expect(await crowds()).toHaveLength(1)
    await run(keeper.revoke('b'))
    expect((await keeper.show('b')).loginLimit).toBeUndefined()
    expect(await crowds()).toEqual([])
  })

  test('are as many as the client says, over its profile, and none where nobody says a limit', async () => {
    const wide = await provider({ loginLimit: { count: 3 } })
    for (const id of ['a', 'b', 'c']) await wide.login(id, 'ada')
    expect((await wide.keeper.show('a')).loginLimit).toMatchObject({ count: 3, per: 'user and client' })
    expect(await wide.crowds()).toEqual([])
    expect(JSON.stringify(await wide.keeper.list())).not.toContain('ada')
    const { keeper, app, login } = await practised()
    await keeper.add('plain', app())
    await login('plain')
    expect((await keeper.show('plain')).loginLimit).toBeUndefined()
  })

  test.each([0, -1, 1.5, '2' as unknown as number])('a limit of %j is refused', (count) => {
    expect(() =>
      authorizationCode({ issuer: 'https://a.example', clientId: 'x', loginLimit: { count } }),
    ).toThrow(/loginLimit must be a whole number/)
  })
})
