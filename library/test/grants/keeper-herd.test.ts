import { expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import type { ControlledClock } from './controlled-clock.ts'
import { practised } from './practised.ts'

const stores = {
  memory: () => (clock: ControlledClock) => memoryStore({ clock, ephemeral: true }),
  SQLite: () => {
    const file = newStoreFile()
    return (clock: ControlledClock) => sqliteStore(file, { clock })
  },
}

test.each(Object.entries(stores))(
  'a thousand readers at expiry in one process make one request, and get one token (%s)',
  async (_name, store) => {
    const { keeper, clock, run, server, service, imported, tokenRequests } = await practised({
      store: store(),
    })
    await keeper.add('billing', service())
    await keeper.add('work', await imported())
    for (const id of ['billing', 'work'])
      for (const generation of [1, 2, 3]) {
        const before = tokenRequests().length
        const readers = Array.from({ length: 1000 }, (_, index) =>
          keeper.getToken(id, index % 2 === 0 ? undefined : { minTtl: 60 }),
        )
        const tokens = await run(Promise.all(readers))
        expect(new Set(tokens.map(({ value }) => value)).size).toBe(1)
        expect(tokens[0]?.generation).toBe(generation)
        expect(server.introspect(tokens[0]?.value ?? '').active).toBe(true)
        expect(tokenRequests().length - before).toBe(1)
        await clock.advance(3_600_000)
      }
  },
)

test('a thousand readers of a provider that is gone make a few requests, and all hear why', async () => {
  const { keeper, run, service, answerWith, tokenRequests } = await practised()
  await keeper.add('billing', service())
  answerWith({ status: 500 })
  const readers = Array.from({ length: 1000 }, () => keeper.getToken('billing'))
  const outcomes = await run(Promise.allSettled(readers))
  expect(new Set(outcomes.map((one) => one.status === 'rejected' && one.reason.code))).toEqual(
    new Set(['provider_answer_unusable']),
  )
  expect(tokenRequests().length).toBeLessThanOrEqual(6)
})
