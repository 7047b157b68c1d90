import { startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { refreshToken } from '../../../src/grants/definition.ts'
import { Keeper } from '../../../src/grants/keeper.ts'
import { postgresStore } from '../../../src/stores/postgres/store.ts'
import { newRefreshToken } from '../../grants/practised.ts'
import { missingPostgres, put, query, usePostgres } from './fixture.ts'

const minutes = (many: number): number => many * 60_000

/** The database's clock, wrong by that many milliseconds. */
const shift = (url: string, ms: number): Promise<unknown> =>
  query(
    url,
    `CREATE OR REPLACE FUNCTION evertoken.et_now() RETURNS bigint LANGUAGE sql VOLATILE
AS 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${ms}'`,
  )

describe.skipIf(missingPostgres)('the clock of the database', () => {
  const postgres = usePostgres()

  test('is the clock of the store, wherever that of this machine stands', async () => {
    const url = await postgres.database()
    const store = await postgres.open(url)
    const before = store.time()
    expect(before.boot).toBe('postgres')
    await shift(url, minutes(5))
    const moved = await store.update('a', (_, { time }) => ({ result: time.at }))
    expect(moved - before.at).toBeGreaterThanOrEqual(minutes(5))
    expect(Math.abs(store.time().at - moved)).toBeLessThan(minutes(1))
    await shift(url, minutes(-5))
    const back = await store.update('a', (_, { time }) => ({ result: time.at }))
    expect(moved - back).toBeGreaterThan(minutes(9))
    expect(Math.abs(store.time().at - back)).toBeLessThan(minutes(1))
  })

  test('decides what is due, not that of this machine', async () => {
    const url = await postgres.database()
    const store = await postgres.open(url)
    const dueAt = store.time().at + minutes(4)
    await put(store, 'a', { schedule: { dueAt, backoffUntil: 0, failures: 0 } })
    const due = () => store.updateDue(9, ({ id }) => ({ result: id }))
    expect(await due()).toEqual([])
    await shift(url, minutes(5))
    expect(await due()).toEqual(['a'])
    await shift(url, 0)
    expect(await due()).toEqual([])
  })

  test.each([5, -5])(
    'F21: off by %i minutes and right again makes at most one more refresh, and no token is served too long',
    async (many) => {
      const url = await postgres.database()
      const provider = await startPracticeServer({ lifetimes: { accessToken: 300 } })
      onTestFinished(() => provider.stop())
      const keeper = await Keeper.open({
        store: postgresStore({ url, folder: postgres.host() }),
        timing: { revalidate: 0 },
      })
      onTestFinished(() => keeper.close())
      const grants = ['one', 'two', 'three']
      for (const id of grants)
        await keeper.add(
          id,
          refreshToken({
            issuer: provider.issuer,
            clientId: 'practice-app',
            refreshToken: await newRefreshToken(provider),
          }),
        )
      const refreshes = () =>
        provider.requests.filter(({ grantType }) => grantType === 'refresh_token').length
      for (const id of grants) await keeper.getToken(id)
      expect(refreshes()).toBe(3)
      for (const wrong of [minutes(many), 0]) {
        await shift(url, wrong)
        for (let round = 0; round < 3; round += 1) {
          const { begun } = await keeper.tendDue(10)
          await Promise.all(begun.values())
        }
        for (const id of grants) {
          const token = await keeper.getToken(id)
          expect(provider.introspect(token.value).active).toBe(true)
        }
      }
      expect(refreshes()).toBeLessThanOrEqual(6)
      expect(provider.requests.filter(({ status }) => status === 400)).toEqual([])
    },
  )
})
