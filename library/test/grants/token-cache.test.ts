import { expect, test, vi } from 'vitest'
import type { Keeper } from '../../src/grants/keeper.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

/** Two processes on one store, and the tokens of `billing` and `mail` in the first one's memory, one interval ago. */
async function twoProcesses() {
  const file = newStoreFile()
  const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
  const other = await at.another()
  for (const id of ['billing', 'mail']) {
    await at.keeper.add(id, at.service())
    await at.run(at.keeper.getToken(id))
  }
  await at.clock.advance(1000)
  // The first look since they were written.
  for (const id of ['billing', 'mail']) await at.run(at.keeper.getToken(id))
  await at.clock.advance(1000)
  const generations = async (keeper: Keeper): Promise<number[]> =>
    Promise.all(['billing', 'mail'].map(async (id) => (await at.run(keeper.getToken(id))).generation))
  return { ...at, other, generations, reads: vi.spyOn(at.keeper.store, 'read') }
}

test('while nothing changes no grant is read again', async () => {
  const { keeper, generations, reads } = await twoProcesses()
  expect(await generations(keeper)).toEqual([1, 1])
  expect(reads).not.toHaveBeenCalled()
})

test('what another process changes is read again, and the rest is not', async () => {
  const { keeper, other, run, generations, reads } = await twoProcesses()
  await run(other.refresh('billing'))
  expect(await generations(keeper)).toEqual([2, 1])
  expect(reads.mock.calls).toEqual([['billing']])
})

test('all is read again after a change where the store cannot say what changed', async () => {
  const { keeper, other, run, generations, reads } = await twoProcesses()
  Object.assign(keeper.store, { changedSince: undefined } satisfies {
    [name in keyof GrantStore]?: undefined
  })
  await run(other.refresh('billing'))
  expect(await generations(keeper)).toEqual([2, 1])
  expect(reads.mock.calls).toEqual([['billing'], ['mail']])
})

test('what changes while it is read is not taken for seen', async () => {
  const { keeper, other, clock, failure, run, reads } = await twoProcesses()
  await run(other.refresh('billing'))
  reads.mockImplementationOnce(async (id) => {
    const before = await keeper.store.read(id)
    await other.pause('billing')
    // Somebody else's question to the store is told of it meanwhile.
    await clock.advance(100)
    await keeper.getToken('mail')
    return before
  })
  expect((await run(keeper.getToken('billing'))).generation).toBe(2)
  await clock.advance(1000)
  expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'grant_paused' })
})
