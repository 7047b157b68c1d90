import { describe, expect, test } from 'vitest'
import { authorizationCode } from '../../src/grants/definition.ts'
import type { ProfileLifetimes } from '../../src/providers/profile.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { dueIds, practised } from './practised.ts'

const minute = 60_000
const day = 24 * 60 * minute

describe.each(['memory', 'sqlite'])('a profile with lifetimes, on %s', (kind) => {
  /** A login of just now at a provider that is as its profile says; an access token lives ten minutes. */
  async function loggedIn(lifetimes: ProfileLifetimes) {
    const file = newStoreFile()
    const at = await practised({
      lifetime: 600,
      ...(kind === 'sqlite' ? { store: (clock) => sqliteStore(file, { clock }) } : {}),
    })
    const definition = authorizationCode({
      profile: {
        id: 'example',
        name: 'Example',
        token_url: at.server.tokenEndpoint,
        authorization_url: `${at.server.issuer}/authorize`,
        lifetimes,
      },
      clientId: 'practice-app',
      scope: 'read write',
    })
    await at.keeper.add('work', definition)
    await at.login('work')
    return { ...at, began: at.clock.now(), asked: () => at.tokenRequests().length - 1 }
  }

  describe('that take no refresh sooner than 570 s after the one before', () => {
    const loggedInAtExact = () => loggedIn({ minimum_age: 570, refresh_before: 120 })

    test('lets a worker wait until then, and no longer', async () => {
      const at = await loggedInAtExact()
      await at.pass(8.5 * minute)
      expect(await dueIds(at.keeper)).toEqual(['work'])
      expect(await at.run(at.keeper.tend('work'))).toMatchObject({ kind: 'backoff' })
      expect(await dueIds(at.keeper)).toEqual([])
      expect((await at.keeper.show('work')).nextAttemptAt).toBe(at.began + 9.5 * minute)
      await at.pass(minute)
      expect(await dueIds(at.keeper)).toEqual(['work'])
      expect(await at.run(at.keeper.tend('work'))).toMatchObject({ kind: 'refreshed' })
      expect(at.asked()).toBe(1)
    })

    test('tells who insists until when, and sends nothing', async () => {
      const at = await loggedInAtExact()
      await at.pass(minute)
      const error = await at.failure(at.keeper.refresh('work'))
      expect(error).toMatchObject({
        code: 'refresh_too_soon',
        grant: 'work',
        advice: expect.stringContaining('Nothing was sent'),
      })
      expect(error.message).toContain(new Date(at.began + 9.5 * minute).toISOString())
      expect(at.asked()).toBe(0)
      await at.pass(8.5 * minute)
      expect(await at.run(at.keeper.refresh('work'))).toMatchObject({ generation: 2 })
      expect(await at.failure(at.keeper.refresh('work'))).toMatchObject({ code: 'refresh_too_soon' })
    })

    test('gives whoever reports a token the same again with the reason, and replaces it as soon as it may', async () => {
      const at = await loggedInAtExact()
      const token = await at.run(at.keeper.getToken('work'))
      expect(token.reason).toBeUndefined()
      const again = await at.run(at.keeper.rejected('work', { generation: 1 }))
      expect(again).toMatchObject({ value: token.value, generation: 1 })
      expect(again.reason).toContain(
        `takes no refresh before ${new Date(at.began + 9.5 * minute).toISOString()}`,
      )
      expect((await at.run(at.keeper.getToken('work'))).reason).toBeUndefined()
      expect(at.asked()).toBe(0)
      await at.pass(9.5 * minute)
      expect(await dueIds(at.keeper)).toEqual(['work'])
      expect((await at.run(at.keeper.rejected('work', { generation: 1 }))).generation).toBe(2)
    })

    test('refuses a narrower token too, which only a refresh would bring', async () => {
      const at = await loggedInAtExact()
      const error = await at.failure(at.keeper.getToken('work', { scope: 'read' }))
      expect(error).toMatchObject({ code: 'refresh_too_soon' })
      expect(at.asked()).toBe(0)
      await at.pass(9.5 * minute)
      expect((await at.run(at.keeper.getToken('work', { scope: 'read' }))).scope).toEqual(['read'])
    })

    test('waits no longer when the clock is set back', async () => {
      const at = await loggedInAtExact()
      await at.clock.setUtc(-day)
      const error = await at.failure(at.keeper.refresh('work'))
      expect(error.message).toContain(new Date(at.clock.now() + 9.5 * minute).toISOString())
    })
  })

  test('the reason of a refusal that is not about age is told as well', async () => {
    const at = await loggedIn({})
    at.answerWith({ status: 500 })
    const again = await at.run(at.keeper.rejected('work', { generation: 1 }))
    expect(again).toMatchObject({ generation: 1, reason: expect.stringContaining('status 500') })
  })

  test('a refresh token that would die unused is used in time', async () => {
    const idle = await loggedIn({ refresh_token_idle: 600 })
    // Its access token would be due after eight minutes.
    expect(((await idle.keeper.show('work')).nextAttemptAt as number) - idle.began).toBeLessThanOrEqual(
      200_000,
    )
  })

  test('the end of a refresh token is counted from the login, and told of before', async () => {
    const at = await loggedIn({ refresh_token_lifetime: 86_400 * 10 })
    expect((await at.keeper.show('work')).refreshTokenExpiresAt).toBe(at.began + 10 * day)
    await at.pass(3.5 * day)
    await at.run(at.keeper.tend('work'))
    expect((await at.keeper.show('work')).refreshTokenExpiresAt).toBe(at.began + 10 * day)
    expect((await at.keeper.notices()).map(({ kind }) => kind)).toEqual([
      'connected',
      'refresh_token_expires_7d',
    ])
  })
})
