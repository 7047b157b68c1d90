import { newRecord, plain, storeContract } from '@evertoken/testing/store-contract'
import { describe, expect, test } from 'vitest'
import type { GrantRecord } from '../../src/grants/grant.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'
import { dueIds } from './due.ts'

describe('the store in memory keeps the contract:', () => {
  const rules = storeContract.filter((rule) => rule.shared === undefined)
  test.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_name, rule) =>
    rule.check({ open: () => memoryStore({ ephemeral: true }).open(), shared: false }),
  )
})

const strict = {
  facts: {
    replayClass: 'strict',
    reuseWindow: 0,
    oldTokenDies: false,
    introspection: false,
    refresh: 'ahead',
  },
} as const

test('a refresh token that may rotate is refused unless somebody keeps it or losing it is understood', async () => {
  const store = await memoryStore().open()
  const adding = store.update('a', () => ({ result: undefined, record: newRecord(store, 'a', strict) }))
  await expect(adding).rejects.toMatchObject({ code: 'store_not_durable', grant: 'a' })
  expect(await store.read('a')).toBeUndefined()
  await store.update('b', () => ({ result: undefined, record: newRecord(store, 'b') }))
  expect((await store.read('b'))?.id).toBe('b')
})

test('a change can be read only once it is saved, and the next change waits for it', async () => {
  const saved: [number | undefined, number][] = []
  const gates: (() => void)[] = []
  const store = await memoryStore({
    save: (before, after) => {
      saved.push([before?.fence, after.fence])
      return new Promise((resolve) => gates.push(resolve))
    },
  }).open()
  const put = (fence: number) =>
    store.update('a', (record) => ({
      result: record?.fence,
      record: { ...newRecord(store, 'a', strict), fence },
    }))
  const [first, second] = [put(1), put(2)]
  await expect.poll(() => saved).toEqual([[undefined, 1]])
  expect(await store.read('a')).toBeUndefined()
  gates[0]?.()
  expect(await first).toBeUndefined()
  expect((await store.read('a'))?.fence).toBe(1)
  await expect.poll(() => saved.length).toBe(2)
  gates[1]?.()
  expect(await second).toBe(1)
  expect(saved).toEqual([
    [undefined, 1],
    [1, 2],
  ])
})

test('a change that cannot be saved is not made, and the next one can be', async () => {
  let broken = true
  const store = await memoryStore({
    save: async () => {
      if (broken) throw new Error('disk full')
    },
  }).open()
  const put = () => store.update('a', () => ({ result: 'put', record: newRecord(store, 'a', strict) }))
  await expect(put()).rejects.toThrow('disk full')
  expect(await store.read('a')).toBeUndefined()
  broken = false
  expect(await put()).toBe('put')
  expect(plain(await store.read('a'))).toEqual(
    plain(newRecord(store, 'a', (await store.read('a')) as GrantRecord)),
  )
})

test('its clock is the boot clock it is given', async () => {
  const clock = new ControlledClock()
  const store = await memoryStore({ clock }).open()
  const { at, boot } = store.time()
  await clock.advance(500)
  clock.setUtc(3_600_000)
  expect(store.time()).toEqual({ at: at + 500, boot })
  await store.update('a', () => ({ result: undefined, record: newRecord(store, 'a') }))
  expect(await dueIds(store, 1)).toEqual(['a'])
})
