import { describe, expect, test } from 'vitest'
import type { RefreshTokenOptions } from '../../src/grants/definition.ts'
import { refreshToken } from '../../src/grants/definition.ts'
import { newRefreshToken, practised } from './practised.ts'

describe('a definition that says more of the same login', () => {
  // Another login began with the refresh token that the file still names, spent long ago, and its use ended the login.
  test.each<[string, (origin: string) => Partial<RefreshTokenOptions>]>([
    ['where a person consents', (origin) => ({ authorizationUrl: `${origin}/authorize` })],
    ['who the issuer is', (origin) => ({ issuer: origin })],
    ['where to revoke', (origin) => ({ revocationUrl: `${origin}/revoke` })],
    ['where to introspect', (origin) => ({ introspectionUrl: `${origin}/introspect`, introspection: true })],
    ['what a used refresh token does', () => ({ replayClass: 'last_child_wins', reuseWindow: 30 })],
  ])('%s: goes on with the tokens it has', async (_name, more) => {
    const { keeper, server, run, clock } = await practised()
    const options = {
      tokenUrl: server.tokenEndpoint,
      clientId: 'practice-app',
      refreshToken: await newRefreshToken(server),
    }
    await keeper.ensure('work', refreshToken(options))
    const { value } = await run(keeper.getToken('work'))
    await keeper.ensure('work', refreshToken({ ...options, ...more(server.issuer) }))
    expect((await run(keeper.getToken('work'))).value).toBe(value)
    await clock.advance(61 * 60_000)
    expect(await run(keeper.getToken('work'))).toMatchObject({ generation: 2 })
    expect((await keeper.show('work')).state).toBe('active')
  })

  test('is told by the summary at once', async () => {
    const { keeper, imported } = await practised()
    const options = { refreshToken: 'rt-1' }
    await keeper.ensure('work', await imported(options))
    expect(await keeper.show('work')).toMatchObject({ replayClass: 'strict' })
    await keeper.ensure('work', await imported({ ...options, replayClass: 'fork', reuseWindow: 60 }))
    expect(await keeper.show('work')).toMatchObject({ replayClass: 'fork' })
  })
})
