import { startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { authorizationCode } from '../../../src/grants/definition.ts'
import { Keeper } from '../../../src/grants/keeper.ts'
import { missingPostgres, query, usePostgres } from './fixture.ts'

const redirectUri = 'http://127.0.0.1:49152/callback'

describe.skipIf(missingPostgres)('a consent that brings two logins', () => {
  const postgres = usePostgres()

  test('makes and renews both of their grants in one transaction', async () => {
    let count = 0
    const practice = await startPracticeServer({
      respond: ({ path }) => {
        if (path !== '/token') return undefined
        const tokens = (whose: string): object => ({
          access_token: `${whose}-access-${count}`,
          refresh_token: `${whose}-refresh-${count}`,
          expires_in: 3600,
        })
        count += 1
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...tokens('bot'), user: tokens('user') }),
        }
      },
    })
    onTestFinished(() => practice.stop())
    const url = await postgres.database()
    const store = await postgres.open(url)
    const keeper = await Keeper.open({ store: { open: async () => store } })
    onTestFinished(() => keeper.close())
    const profile = {
      id: 'example',
      name: 'Example',
      token_url: practice.tokenEndpoint,
      authorization_url: `${practice.issuer}/authorize`,
      answer: { secondary_tokens: { user: { root: '/user' } } },
    }
    await keeper.add('work', authorizationCode({ profile, clientId: 'practice-app' }))
    for (const generation of [1, 2]) {
      const { state } = await keeper.beginConsent('work', { redirectUri })
      await keeper.finishConsent(new URL(`${redirectUri}?code=code-1&state=${state}`))
      expect(await keeper.getToken('work')).toMatchObject({ generation })
      expect((await keeper.getToken('work.user')).value).toBe(`user-access-${generation}`)
      expect(
        await query(url, 'SELECT count(DISTINCT xmin::text)::int AS transactions FROM evertoken.tokens'),
      ).toEqual([{ transactions: 1 }])
    }
  })
})
