import { copyFileSync, existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { HeldRefreshToken } from '../../../src/grants/grant.ts'
import type { SpoolEntry } from '../../../src/grants/spool.ts'
import { bytes, missingPostgres, put, raise, usePostgres } from './fixture.ts'

const keyOf = (folder: string): string => path.join(folder, 'master.key')

describe.skipIf(missingPostgres)('the master key of a store on PostgreSQL', () => {
  const postgres = usePostgres()

  test('is made by the first host, and every other host is told to bring it', async () => {
    const url = await postgres.database()
    const [first, second] = [postgres.host(), postgres.host()]
    const made: string[] = []
    const store = await postgres.open(url, { folder: first, onKeyCreated: (file) => made.push(file) })
    expect(made).toEqual([keyOf(first)])
    expect(statSync(keyOf(first)).mode & 0o777).toBe(0o600)
    await expect(postgres.open(url, { folder: second })).rejects.toMatchObject({
      code: 'wrong_encryption_key',
      advice: expect.stringMatching(/another host/),
    })
    expect(existsSync(keyOf(second))).toBe(false)
    copyFileSync(keyOf(first), keyOf(second))
    const other = await postgres.open(url, { folder: second })
    const place = { grant: 'a', field: 'refresh_token' } as const
    expect(other.seal.open(store.seal.seal('text', { ...place, fence: 1 }), place)).toBe('text')
  })

  test('is made once when several hosts start at the same time', async () => {
    const url = await postgres.database()
    const hosts = Array.from({ length: 4 }, () => postgres.host())
    const outcomes = await Promise.allSettled(hosts.map((folder) => postgres.open(url, { folder })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(hosts.filter((folder) => existsSync(keyOf(folder)))).toHaveLength(1)
  })

  test('of another store is refused', async () => {
    const [one, other] = [await postgres.database(), await postgres.database()]
    const folder = postgres.host()
    const another = postgres.host()
    await postgres.open(one, { folder })
    await postgres.open(other, { folder: another })
    copyFileSync(keyOf(another), keyOf(folder))
    await expect(postgres.open(one, { folder })).rejects.toMatchObject({ code: 'wrong_encryption_key' })
  })
})

describe.skipIf(missingPostgres)('F28: a copy of a store', () => {
  const postgres = usePostgres()
  const copyOf = async (url: string): Promise<string> => {
    const name = new URL(url).pathname.slice(1)
    await postgres.server.query(`CREATE DATABASE copy_of_${name} TEMPLATE ${name}`)
    return postgres.server.url(`copy_of_${name}`)
  }
  const hostLike = (folder: string): string => {
    const other = postgres.host()
    copyFileSync(keyOf(folder), keyOf(other))
    return other
  }

  test('serves, says that it is one, and is a store of its own once it is adopted', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    const store = await postgres.open(url, { folder })
    await put(store, 'a')
    await store.close()
    const copied = await copyOf(url)
    const copy = await postgres.open(copied, { folder: hostLike(folder) })
    expect(copy.foreign).toMatch(/a copy of a store/)
    expect(await copy.spools()).toHaveLength(1)
    expect((await copy.read('a'))?.id).toBe('a')
    await expect(copy.spool.append(entry('a', 1))).rejects.toMatchObject({ code: 'spool_unavailable' })
    await copy.adopt()
    expect(copy.foreign).toBe(undefined)
    expect(await raise(copy, 'a')).toBe(2)
    await copy.spool.append(entry('a', 1))
    // The one it was copied from is what it was.
    const again = await postgres.open(url, { folder })
    expect(again.foreign).toBe(undefined)
    expect((await again.read('a'))?.fence).toBe(1)
  })

  test('is not taken for the store by a host whose spool belongs to that', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    await (await postgres.open(url, { folder })).close()
    const copied = await copyOf(url)
    const other = await postgres.open(copied, { folder: hostLike(folder) })
    await other.adopt()
    // The copy is itself by now; the folder is still that of the store.
    const astray = await postgres.open(copied, { folder })
    expect(astray.foreign).toMatch(/another copy of this store/)
  })

  test('adopted on one host stays what it is for its other hosts, and a process learns of it by itself', async () => {
    const url = await postgres.database()
    const [one, two] = [postgres.host(), '']
    await (await postgres.open(url, { folder: one })).close()
    const other = two || hostLike(one)
    const copied = await copyOf(url)
    const waiting = await postgres.open(copied, { folder: other })
    expect(waiting.foreign).toMatch(/a copy/)
    const same = await postgres.open(copied, { folder: other })
    await same.adopt()
    await expect.poll(() => waiting.foreign, { timeout: 10_000 }).toBe(undefined)
    const third = await postgres.open(copied, { folder: hostLike(one) })
    expect(third.foreign).toBe(undefined)
  })
})

const entry = (grant: string, fence: number): SpoolEntry => ({
  grant,
  attempt: { id: `attempt ${fence}`, fence, parent: 'print 0', owner: 'somebody' },
  answered: {
    refreshToken: { sealed: bytes('sealed'), fingerprint: `print ${fence}`, receivedAt: Date.now() },
  },
})

describe.skipIf(missingPostgres)('a store that has lost commits', () => {
  const postgres = usePostgres()

  test('is known by answers of this host that it had and has not, and by no others', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    const store = await postgres.open(url, { folder })
    const held = (fence: number) => entry('', fence).answered.refreshToken
    await put(store, 'further', { fence: 9 })
    await put(store, 'behind', { fence: 7 })
    await put(store, 'under way', { fence: 7 })
    await put(store, 'a candidate', {
      fence: 7,
      candidates: [{ id: 'x', fence: 7, parent: 'print 0', refreshToken: held(7) as HeldRefreshToken }],
    })
    const fences = { further: 7, behind: 7, 'under way': 8, 'a candidate': 7, 'never heard of': 1 }
    for (const [grant, fence] of Object.entries(fences)) {
      const { attempt, answered } = entry(grant, fence)
      await store.spool.append({ grant, attempt: { ...attempt, id: grant }, answered })
      if (grant !== 'under way') store.spool.settle(grant)
    }
    expect((await store.regressions()).map(({ grant }) => grant)).toEqual(['behind'])
    // It is told once, and looked for again when there may be another server: at the next start for one.
    expect(await store.regressions()).toEqual([])
    await store.update('behind', (before) => ({
      result: undefined,
      record: before && { ...before, fence: 8, refreshToken: held(7) },
    }))
    await store.close()
    const again = await postgres.open(url, { folder })
    expect((await again.regressions()).map(({ grant }) => grant)).toEqual([])
  })
})
