import { newRecord } from '@evertoken/testing/store-contract'
import { describe, expect, test } from 'vitest'
import { type Child, type Surroundings, startChild } from './child.ts'
import type { Task } from './spool-process.ts'
import { left, openedSpool } from './spools.ts'
import { newStoreFile, openedStore, temporaryFolder } from './sqlite-files.ts'

const start = (task: Task, around?: Surroundings): Child =>
  startChild(new URL('./spool-process.ts', import.meta.url), task, around)

describe('a process that is killed', () => {
  test('right after an answer was durable leaves it, and everything that was not settled before', async () => {
    const folder = temporaryFolder()
    const spool = openedSpool(folder)
    for (let round = 0; round < 5; round++) {
      const child = start({ kind: 'append', folder })
      const { owner } = await child.said<{ owner: string }>()
      let durable = -1
      while (durable < 5 + round) durable = Number((await child.said<{ durable: string }>()).durable)
      child.kill('SIGKILL')
      await child.gone
      const ids = left(spool).map(Number)
      const last = ids.at(-1) ?? -1
      // It may have come further than it could tell us; it settles only what is three answers old.
      expect(last).toBeGreaterThanOrEqual(durable)
      expect(ids.slice(-3)).toEqual([last - 2, last - 1, last])
      expect(spool.isGone(owner)).toBe(false)
      for (const { discard } of spool.remains()) discard()
      expect(spool.isGone(owner)).toBe(true)
    }
    expect(spool.told).toEqual([])
  })

  test.each([
    ['pre_spool', []],
    ['mid_spool', []],
    ['post_spool_write', ['1']],
    ['post_spool', ['1']],
  ])('at %s leaves what it had written as a whole: %j', async (at, expected) => {
    const folder = temporaryFolder()
    const child = start({ kind: 'die', folder, at })
    const { owner } = await child.said<{ owner: string }>()
    child.tell('go')
    expect(await child.gone).toBe(null)
    const spool = openedSpool(folder)
    expect(left(spool)).toEqual(expected)
    for (const { discard } of spool.remains()) discard()
    expect(spool.isGone(owner)).toBe(true)
    expect(spool.told).toEqual([])
  })

  test('while it is stopped is seen as gone only when it is', async () => {
    const folder = temporaryFolder()
    const spool = openedSpool(folder)
    const child = start({ kind: 'append', folder })
    await child.said()
    await child.said()
    child.kill('SIGSTOP')
    expect(left(spool)).toEqual([])
    child.kill('SIGKILL')
    await child.gone
    expect(left(spool).length).toBeGreaterThan(0)
  })
})

test('F19: where no file may grow, an answer is refused as on a full disk and the store goes on serving', async () => {
  const file = newStoreFile()
  const store = await openedStore(file)
  await store.update('a', () => ({ result: undefined, record: newRecord(store, 'a') }))
  const child = start({ kind: 'full', file, grant: 'a' }, { limit: 200 })
  expect(await child.said()).toEqual({
    ready: 'disk_full',
    small: 'done',
    large: 'disk_full',
    after: 'done',
    read: 'a',
    updated: 'done',
  })
  expect(await child.gone).toBe(0)
  const spool = store.spool
  expect(spool?.remains().flatMap(({ entries }) => entries.map(({ attempt }) => attempt.id))).toEqual([
    '1',
    '3',
  ])
})
