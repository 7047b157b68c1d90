import { DatabaseSync } from 'node:sqlite'
import { newRecord } from '@evertoken/testing/store-contract'
import { expect, onTestFinished, test } from 'vitest'
import type { GrantRecord } from '../../src/grants/grant.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { newStoreFile, openedStore } from './sqlite-files.ts'

const put = (store: GrantStore, record: GrantRecord): Promise<void> =>
  store.update(record.id, () => ({ result: undefined, record }))

/** Two processes on one store with the grants `a`, `b` and `c`. */
async function twoProcesses() {
  const file = newStoreFile()
  const first = await openedStore(file)
  const second = await openedStore(file)
  for (const id of ['a', 'b', 'c']) await put(first, newRecord(first, id))
  const version = second.version() as number
  return { file, first, second, version }
}

test('those that changed are named once each, and no other', async () => {
  const { first, second, version } = await twoProcesses()
  expect(second.changedSince?.(version)).toEqual([])
  for (const labels of [{ team: 'money' }, { team: 'people' }])
    await put(first, newRecord(first, 'b', { labels }))
  await second.update('c', () => ({ result: undefined, record: null }))
  expect(second.changedSince?.(version)).toEqual(['b', 'c'])
  expect(second.changedSince?.(second.version() as number)).toEqual([])
})

test('what writes no grant changes no version', async () => {
  const { first, second, version } = await twoProcesses()
  await first.putApiKey({ id: 'k', label: 'l', rights: 'read', hash: 'h', createdAt: 5 })
  await second.update('a', (record) => ({ result: record }))
  expect(second.version()).toBe(version)
})

test('of ten thousand changes and more the oldest are forgotten, and nobody is told that nothing was there', async () => {
  const { file, second, version } = await twoProcesses()
  const database = new DatabaseSync(file)
  onTestFinished(() => database.close())
  const change = (times: number): void =>
    database.exec(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${times})
       INSERT INTO changes (grant_id) SELECT 'b' FROM n`,
    )
  change(10_000)
  expect(second.changedSince?.(version)).toEqual(['b'])
  const later = second.version() as number
  change(2_000)
  expect(second.changedSince?.(version)).toBeUndefined()
  expect(second.changedSince?.(later)).toEqual(['b'])
  expect(database.prepare('SELECT count(*) AS count FROM changes').get()?.count).toBeLessThanOrEqual(11_000)
})
