import { describe, expect, test } from 'vitest'
import { startPooler } from '../../../../test/postgres/pooler.ts'
import type { GrantStore } from '../../../src/grants/store.ts'
import { missingPostgres, put, query, raise, through, until, usePostgres } from './fixture.ts'

const claim = (store: GrantStore, limit: number): Promise<readonly string[]> =>
  store.updateDue(limit, (before, { time }) => ({
    result: before.id,
    record: {
      ...before,
      fence: before.fence + 1,
      lease: { owner: store.owner, until: time.at + 20_000, boot: time.boot },
      schedule: { ...before.schedule, dueAt: time.at + 60_000 },
    },
  }))

/** Claims until nothing is left. */
async function claimAll(store: GrantStore, limit: number): Promise<string[]> {
  const all: string[] = []
  for (let some = await claim(store, limit); some.length > 0; some = await claim(store, limit))
    all.push(...some)
  return all
}

describe.skipIf(missingPostgres)('claiming what is due', () => {
  const postgres = usePostgres()

  test.each([false, true])(
    'by four processes gives each grant to one of them (pooler: %s)',
    async (pooled) => {
      const direct = await postgres.database()
      const pooler = postgres.closing(await startPooler(postgres.server.port, { sessions: 4 }))
      const url = pooled ? through(direct, pooler) : direct
      const folder = postgres.host()
      const first = await postgres.open(url, { folder })
      const stores = [first]
      while (stores.length < 4) stores.push(await postgres.open(url, { folder, listen: false }))
      const ids = Array.from({ length: 1000 }, (_, index) => `grant-${index}`)
      await Promise.all(ids.map((id) => put(first, id)))
      const claimed = (await Promise.all(stores.map((store) => claimAll(store, 30)))).flat()
      expect(claimed).toHaveLength(1000)
      expect(new Set(claimed)).toEqual(new Set(ids))
      const fences = await query(direct, 'SELECT DISTINCT fence::int FROM evertoken.schedule')
      expect(fences).toEqual([{ fence: 2 }])
    },
  )

  test('does not wait for a grant that somebody holds, nor for one that is not due', async () => {
    const url = await postgres.database()
    const store = await postgres.open(url)
    await put(store, 'held')
    await put(store, 'free')
    await put(store, 'later', { schedule: { dueAt: store.time().at + 60_000, backoffUntil: 0, failures: 0 } })
    await put(store, 'never', { schedule: { dueAt: null, backoffUntil: 0, failures: 0 } })
    const holding = query(
      url,
      "BEGIN; SELECT FROM evertoken.schedule WHERE grant_id = 'held' FOR UPDATE; SELECT pg_sleep(1); COMMIT",
    )
    await until(
      async () => (await query(url, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length > 0,
    )
    expect(await claim(store, 10)).toEqual(['free'])
    await holding
    expect(await claim(store, 10)).toEqual(['held'])
  })

  test('is refused as a whole when one decision throws, and nothing is written', async () => {
    const store = await postgres.open(await postgres.database())
    for (const id of ['a', 'b']) await put(store, id)
    const mistake = new Error('mistake')
    const seen: string[] = []
    const claiming = store.updateDue(10, (before) => {
      seen.push(before.id)
      if (seen.length === 2) throw mistake
      return { result: 0, record: { ...before, fence: 99 } }
    })
    await expect(claiming).rejects.toBe(mistake)
    expect((await store.list()).map(({ fence }) => fence)).toEqual([1, 1])
  })

  test('finds those of a process of this host that is gone, and leaves what waits for nothing', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    const dead = await postgres.open(url, { folder })
    const store = await postgres.open(url, { folder })
    await put(dead, 'a')
    await put(dead, 'paused', { status: { state: 'paused' } })
    expect(await claim(dead, 10)).toHaveLength(2)
    await store.update('paused', (before) => ({
      result: 0,
      record: before && { ...before, schedule: { ...before.schedule, dueAt: null } },
    }))
    expect(await claim(store, 10)).toEqual([])
    // As it is left by a process that is killed with an answer that the store does not have.
    await dead.spool.append({
      grant: 'a',
      attempt: { id: 'attempt', fence: 2, parent: 'print', owner: dead.owner },
      answered: {},
    })
    await dead.spool.close()
    await query(url, 'SELECT pg_sleep(0.3)')
    expect(await claim(store, 10)).toEqual([])
    for (const { discard } of store.spool.remains()) discard()
    await until(async () => (await claim(store, 10)).includes('a'))
    expect((await store.read('paused'))?.schedule.dueAt).toBe(null)
  })
})

describe.skipIf(missingPostgres)('a hint that something has changed', () => {
  const postgres = usePostgres()

  test('comes to other processes, and not to the one that made the change', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    const [one, other] = [await postgres.open(url, { folder }), await postgres.open(url, { folder })]
    let own = 0
    let others = 0
    one.onHint?.(() => {
      own += 1
    })
    other.onHint?.(() => {
      others += 1
    })
    const listening = async () =>
      (await query(url, 'SELECT FROM pg_stat_activity WHERE query = \'LISTEN "evertoken"\'')).length
    await until(async () => (await listening()) === 2)
    await put(one, 'a')
    await until(() => others > 0)
    expect(own).toBe(0)
  })

  test('comes again after its connection was lost', async () => {
    const url = await postgres.database()
    const folder = postgres.host()
    const [one, other] = [await postgres.open(url, { folder }), await postgres.open(url, { folder })]
    let hints = 0
    other.onHint?.(() => {
      hints += 1
    })
    const listening = 'SELECT pid FROM pg_stat_activity WHERE query = \'LISTEN "evertoken"\''
    await until(async () => (await query(url, listening)).length === 1)
    await query(url, `SELECT pg_terminate_backend(pid) FROM (${listening}) AS of`)
    await until(async () => (await query(url, listening)).length === 1)
    await put(one, 'a')
    await until(() => hints > 0)
  })

  test('is not waited for behind a transaction pooler, nor where it is not wanted', async () => {
    const url = await postgres.database()
    const pooler = postgres.closing(await startPooler(postgres.server.port))
    const folder = postgres.host()
    const pooled = await postgres.open(through(url, pooler), { folder })
    const stop = pooled.onHint?.(() => undefined)
    await put(pooled, 'a')
    expect(await raise(pooled, 'a')).toBe(2)
    const silent = await postgres.open(url, { folder, listen: false })
    expect(silent.onHint).toBe(undefined)
    expect(await query(url, "SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")).toEqual([])
    stop?.()
  })
})
