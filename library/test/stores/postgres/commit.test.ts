import { describe, expect, test } from 'vitest'
import { startPooler } from '../../../../test/postgres/pooler.ts'
import { startProxy } from '../../../../test/postgres/proxy.ts'
import { postgresStore } from '../../../src/stores/postgres/store.ts'
import { missingPostgres, put, query, raise, record, through, until, usePostgres } from './fixture.ts'

describe.skipIf(missingPostgres)('a COMMIT whose connection is lost', () => {
  const postgres = usePostgres()
  const proxied = async (timeouts = {}) => {
    const url = await postgres.database()
    const proxy = postgres.closing(await startProxy(postgres.server.port))
    const store = await postgres.open(through(url, proxy), { timeouts, listen: false })
    return { url, proxy, store }
  }

  test.each(['before', 'after'] as const)(
    'F17: %s it took effect, the decision takes effect once',
    async (fault) => {
      const { store, proxy } = await proxied()
      await put(store, 'a')
      let runs = 0
      const broken = proxy.breakNextCommit(fault)
      const fence = await store.update('a', (found) => {
        runs += 1
        const before = found as NonNullable<typeof found>
        return { result: before.fence + 1, record: { ...before, fence: before.fence + 1 } }
      })
      await broken
      expect(fence).toBe(2)
      expect((await store.read('a'))?.fence).toBe(2)
      // One that had taken effect is not decided again: a claim would find its own lease.
      expect(runs).toBe(fault === 'before' ? 2 : 1)
    },
  )

  test.each(['before', 'after'] as const)(
    'F17: %s it took effect, a new grant is there once',
    async (fault) => {
      const { store, proxy } = await proxied()
      const broken = proxy.breakNextCommit(fault)
      const found = await store.update('a', (before) => ({
        result: before?.id,
        record: before === undefined ? record(store, 'a', { fence: 5 }) : undefined,
      }))
      await broken
      expect(found).toBe(undefined)
      expect((await store.read('a'))?.fence).toBe(5)
    },
  )

  test.each(['before', 'after'] as const)(
    'F29, F17: %s it took effect, it is the same behind a transaction pooler',
    async (fault) => {
      const pooler = postgres.closing(await startPooler(postgres.server.port, { sessions: 2 }))
      const proxy = postgres.closing(await startProxy(pooler.port))
      const store = await postgres.open(through(await postgres.database(), proxy))
      const ids = Array.from({ length: 10 }, (_, index) => `grant-${index}`)
      await Promise.all(ids.map((id) => put(store, id)))
      for (let round = 2; round < 8; round += 1) {
        const broken = proxy.breakNextCommit(fault)
        expect(await Promise.all(ids.map((id) => raise(store, id)))).toEqual(ids.map(() => round))
        await broken
      }
    },
  )

  test.each(['before', 'after'] as const)(
    'F17: %s it took effect, it is the same where statements wait for one another',
    async (fault) => {
      const { hostname: host, username: user, pathname } = new URL(await postgres.database())
      const proxy = postgres.closing(await startProxy(postgres.server.port))
      const parts = { host, port: proxy.port, user, database: pathname.slice(1), pipeline: false }
      const store = postgres.closing(await postgresStore({ url: parts, folder: postgres.host() }).open())
      await put(store, 'a')
      const broken = proxy.breakNextCommit(fault)
      expect(await raise(store, 'a')).toBe(2)
      await broken
      expect((await store.read('a'))?.fence).toBe(2)
      const thrown = store.update('a', () => {
        throw new Error('mistake')
      })
      await expect(thrown).rejects.toThrow('mistake')
      expect(await raise(store, 'a')).toBe(3)
    },
  )

  test('F17: of many decisions in many lost transactions each takes effect once', async () => {
    const { store, proxy } = await proxied()
    const ids = Array.from({ length: 20 }, (_, index) => `grant-${index}`)
    await Promise.all(ids.map((id) => put(store, id)))
    const rounds = 12
    for (let round = 0; round < rounds; round += 1) {
      const broken = proxy.breakNextCommit(round % 2 === 0 ? 'before' : 'after')
      const fences = await Promise.all(ids.map((id) => raise(store, id)))
      await broken
      expect(new Set(fences)).toEqual(new Set([round + 2]))
    }
    const fences = (await store.list()).map(({ fence }) => fence)
    expect(fences).toEqual(ids.map(() => rounds + 1))
  })

  test('F17: what was claimed is told, so that it is not claimed again by its own process', async () => {
    const { store, proxy } = await proxied()
    await put(store, 'a')
    const broken = proxy.breakNextCommit('after')
    const claimed = await store.updateDue(10, (before, { time }) => ({
      result: before.id,
      record: { ...before, schedule: { ...before.schedule, dueAt: time.at + 60_000 } },
    }))
    await broken
    expect(claimed).toEqual(['a'])
    expect(await store.updateDue(10, ({ id }) => ({ result: id }))).toEqual([])
  })

  test('F17: a consent is given once, and is given', async () => {
    const { store, proxy } = await proxied()
    await put(store, 'a')
    const consent = {
      stateHash: 'hash',
      grant: 'a',
      sealed: new Uint8Array([1]),
      expiresAt: Date.now() + 60_000,
    }
    await store.putConsent(consent)
    const broken = proxy.breakNextCommit('after')
    expect(await store.takeConsent('hash')).toEqual(consent)
    await broken
    expect(await store.takeConsent('hash')).toBe(undefined)
  })

  test('while the server is out of reach the caller hears so in time, and what took effect is there later', async () => {
    const { store, proxy, url } = await proxied({ statement: 400, connect: 200 })
    await put(store, 'a')
    const broken = proxy.breakNextCommit('after').then(() => proxy.cut())
    await expect(raise(store, 'a')).rejects.toMatchObject({ code: 'store_unavailable' })
    await broken
    expect(await query(url, 'SELECT fence::int FROM evertoken.schedule')).toEqual([{ fence: 2 }])
    proxy.mend()
    await until(() => raise(store, 'a').then((fence) => fence === 3))
  })

  test('a transaction whose process stops in the middle does not keep others from its grants', async () => {
    const { store, url } = await proxied({ idle: 100 })
    await put(store, 'a')
    let blocked = false
    const stopped = store.update('a', (found) => {
      if (!blocked) {
        blocked = true
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
      }
      const before = found as NonNullable<typeof found>
      return { result: before.fence, record: { ...before, fence: before.fence + 1 } }
    })
    // The server has ended it, so it runs again.
    expect(await stopped).toBe(1)
    expect(await query(url, 'SELECT fence::int FROM evertoken.schedule')).toEqual([{ fence: 2 }])
    expect(blocked).toBe(true)
  })
})
