import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile, temporaryFolder } from '../stores/sqlite-files.ts'
import { dueIds, practised } from './practised.ts'

const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute

describe('a provider that ends the old access token at each refresh', () => {
  test('is asked only when nobody serves it from memory any more, and who reads meanwhile waits for the new one', async () => {
    const file = newStoreFile()
    const at = await practised({
      practice: { oldTokenDies: true },
      store: (clock) => sqliteStore(file, { clock }),
    })
    const { keeper, clock, run, server } = at
    await keeper.add('work', await at.imported({ oldTokenDies: true }))
    const old = await run(keeper.getToken('work'))
    const other = await at.another()
    await run(other.getToken('work'))
    await clock.advance(54 * minute)
    let late: ReturnType<Keeper['getToken']> | undefined
    let arrived = 0
    at.answerWith(({ path: place }) => {
      if (place === '/token' && late === undefined) {
        arrived = clock.now()
        expect(server.introspect(old.value).active).toBe(true)
        late = other.getToken('work')
      }
      return undefined
    })
    const begun = clock.now()
    const refreshed = await run(keeper.refresh('work'))
    expect(arrived - begun).toBeGreaterThanOrEqual(1000)
    expect(server.introspect(old.value).active).toBe(false)
    expect((await run(late as Promise<{ value: string; generation: number }>)).value).toBe(refreshed.value)
  })

  // A wait for the provider's rate came on top of the wait for readers, and the lease was over before anything was sent.
  test('is refreshed within its lease although its rate has to be waited for as well', async () => {
    const at = await practised({ practice: { oldTokenDies: true }, timing: { revalidate: 4000 } })
    await at.keeper.add('work', await at.imported({ oldTokenDies: true, refreshRate: 0.6 }))
    await at.run(at.keeper.getToken('work'))
    const begun = at.clock.now()
    const { generation } = await at.run(at.keeper.refresh('work'))
    expect([generation, at.clock.now() - begun]).toEqual([2, 4000])
  })

  test('has no advisory window: its token lives until the mandatory one', async () => {
    const at = await practised({ practice: { oldTokenDies: true } })
    await at.keeper.add('work', await at.imported({ oldTokenDies: true }))
    await at.run(at.keeper.getToken('work'))
    await at.clock.advance(53 * minute)
    expect(await dueIds(at.keeper)).toEqual([])
    await at.clock.advance(2 * minute)
    expect(await dueIds(at.keeper)).toEqual(['work'])
  })
})

describe('a grant that is refreshed on demand', () => {
  test('is refreshed when somebody reads, and by nobody before', async () => {
    const { keeper, clock, run, imported, tokenRequests } = await practised()
    await keeper.add('work', await imported({ refresh: 'on_demand' }))
    await run(keeper.getToken('work'))
    const asked = tokenRequests().length
    await clock.advance(3 * 60 * minute)
    expect(await dueIds(keeper)).toEqual([])
    expect((await run(keeper.getToken('work'))).generation).toBe(2)
    expect(tokenRequests()).toHaveLength(asked + 1)
  })

  test('is refreshed all the same before its refresh token dies of idleness', async () => {
    const { keeper, clock, run, imported } = await practised()
    await keeper.add('work', await imported({ refresh: 'on_demand', refreshTokenIdle: 30 * 86_400 }))
    await run(keeper.getToken('work'))
    await clock.advance(8 * day)
    expect(await dueIds(keeper)).toEqual([])
    await clock.advance(2 * day)
    expect(await dueIds(keeper)).toEqual(['work'])
  })
})

describe('a store that was copied', () => {
  async function copied() {
    const file = newStoreFile()
    const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
    const issuer = at.server.issuer
    const probe = { introspection: true, introspectionUrl: `${issuer}/introspect` }
    await at.keeper.add('work', await at.imported(probe))
    await at.keeper.add('billing', at.service())
    const token = await at.run(at.keeper.getToken('work'))
    await at.run(at.keeper.getToken('billing'))
    await at.run(at.keeper.close())
    const copy = path.join(temporaryFolder(), 'tokens.db')
    for (const end of ['', '.key']) copyFileSync(file + end, copy + end)
    const keeper = await Keeper.open({
      store: sqliteStore(copy, { clock: at.clock }),
      clock: at.clock,
      transport: at.transport,
    })
    const original = () => at.another()
    return { ...at, keeper, original, token }
  }

  test('serves what it holds, and sends nothing', async () => {
    const { keeper, clock, run, failure, token, tokenRequests } = await copied()
    const asked = tokenRequests().length
    expect((await run(keeper.getToken('work'))).value).toBe(token.value)
    expect(await failure(keeper.refresh('work'))).toMatchObject({
      code: 'store_foreign',
      advice: expect.stringContaining('evertoken adopt'),
    })
    await clock.advance(61 * minute)
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'store_foreign' })
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'store_foreign' })
    expect(tokenRequests()).toHaveLength(asked)
    await run(keeper.close())
  })

  test('that is adopted asks the provider before it sends what the other copy may have spent', async () => {
    const { keeper, clock, run, failure, server, tokenRequests } = await copied()
    expect(await keeper.adopt()).toBe(1)
    expect((await run(keeper.refresh('billing'))).generation).toBe(2)
    const asked = tokenRequests().length
    expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'token_unavailable' })
    await clock.advance(121 * second)
    expect((await run(keeper.refresh('work'))).generation).toBe(2)
    expect(tokenRequests()).toHaveLength(asked + 1)
    expect(server.requests.filter(({ path: place }) => place === '/introspect')).toHaveLength(1)
    await run(keeper.close())
  })

  test('that is adopted after the other has gone on asks for a person, and does not end the other’s login', async () => {
    const { keeper, original, clock, run, failure, server } = await copied()
    const first = await original()
    await run(first.refresh('work'))
    await keeper.adopt()
    await clock.advance(121 * second)
    expect(await failure(keeper.refresh('work'))).toMatchObject({ code: 'reauthorization_required' })
    expect(server.introspect((await run(first.refresh('work'))).value).active).toBe(true)
    await run(keeper.close())
  })
})
