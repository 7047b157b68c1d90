import { describe, expect, test } from 'vitest'
import type { GrantRecord, TokenRow } from '../../../src/grants/grant.ts'
import { jsonText } from '../../../src/stores/postgres/json-text.ts'
import { bytes, missingPostgres, put, query, raise, record, usePostgres } from './fixture.ts'

test('text that PostgreSQL cannot hold is replaced, and all other text is as it was', () => {
  const good = { a: ['\\u0000', '\u0001', '\u{1f600}', 'ü"\\'], n: 1, t: true, u: undefined, z: null }
  expect(JSON.parse(jsonText(good))).toEqual(JSON.parse(JSON.stringify(good)))
  expect(JSON.parse(jsonText({ 'k\0': ['\0x', '\ud800'] }))).toEqual({ 'k\ufffd': ['\ufffdx', '\ufffd'] })
})

describe.skipIf(missingPostgres)('odd values', () => {
  const postgres = usePostgres()
  const token = (grantedScope: readonly string[]): TokenRow => ({
    scope: '',
    resource: '',
    generation: 1,
    sealed: bytes('sealed'),
    type: 'Bearer',
    obtainedAt: 1,
    expiresAt: 2,
    lifetime: 1,
    lifetimeFrom: 'stated',
    grantedScope,
    fence: 1,
  })

  test('in what a provider granted do not keep its answer out of the store', async () => {
    const store = await postgres.open(await postgres.database())
    await put(store, 'a', { tokens: [token(['re\0ad', '\udfff', 'ü'])], labels: { 'na\0me': 'x' } })
    const found = await store.read('a')
    expect(found?.tokens[0]?.grantedScope).toEqual(['re\ufffdad', '\ufffd', 'ü'])
    expect(found?.labels).toEqual({ 'na\ufffdme': 'x' })
  })

  test('of one grant that cannot be written refuse that one only', async () => {
    const store = await postgres.open(await postgres.database())
    await put(store, 'a')
    await put(store, 'b')
    const outcomes = await Promise.allSettled([
      raise(store, 'a'),
      store.update('bad', () => ({
        result: 0,
        record: record(store, 'bad', { epoch: Number.POSITIVE_INFINITY }),
      })),
      store.update('b', (before) => ({
        result: 0,
        record: { ...(before as GrantRecord), fence: 1e300 },
      })),
      put(store, 'c'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect((await store.list()).map(({ id, fence }) => [id, fence])).toEqual([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ])
  })

  test('as names find nothing, and disturb nobody who asks at the same time', async () => {
    const store = await postgres.open(await postgres.database())
    await put(store, 'a')
    const [good, bad, half] = await Promise.all([store.read('a'), store.read('\0'), store.read('\ud800')])
    expect([good?.id, bad, half]).toEqual(['a', undefined, undefined])
    await expect(store.update('\0', () => ({ result: 0 }))).rejects.toMatchObject({
      code: 'invalid_grant_id',
    })
    const quoted = `it's"; DROP TABLE evertoken.grants; --`
    await put(store, quoted)
    expect((await store.list()).map(({ id }) => id)).toEqual(['a', quoted])
  })

  test('F24: a row whose ciphertext was cut or swapped with another’s does not open', async () => {
    const url = await postgres.database()
    const store = await postgres.open(url)
    for (const grant of ['a', 'b'])
      await put(store, grant, {
        refreshToken: {
          sealed: store.seal.seal(`secret of ${grant}`, { grant, field: 'refresh_token', fence: 1 }),
          fingerprint: `print ${grant}`,
          receivedAt: 1,
        },
      })
    const opened = async (grant: string): Promise<string> => {
      const sealed = (await store.read(grant))?.refreshToken?.sealed
      return store.seal.open(sealed as Uint8Array, { grant, field: 'refresh_token' })
    }
    expect(await opened('a')).toBe('secret of a')
    await query(
      url,
      `UPDATE evertoken.grants AS one SET refresh_token = other.refresh_token
FROM evertoken.grants AS other WHERE one.id = 'a' AND other.id = 'b'`,
    )
    await expect(opened('a')).rejects.toMatchObject({ code: 'store_damaged' })
    await query(
      url,
      "UPDATE evertoken.grants SET refresh_token = substr(refresh_token, 1, 40) WHERE id = 'b'",
    )
    await expect(opened('b')).rejects.toMatchObject({ code: 'store_damaged' })
  })
})
