// A database that went away while a dead process's answers were being stored ended the process: a rejection nobody waited for.

import { expect, test } from 'vitest'
import { drain } from '../../src/grants/drain.ts'
import type { SpoolEntry } from '../../src/grants/spool.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { defaultTiming } from '../../src/grants/timing.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { ControlledClock } from './controlled-clock.ts'
import { brought, held, strictRecord } from './records.ts'

test('a store that cannot say what it has lost fails the drain, and nothing else', async () => {
  const clock = new ControlledClock()
  const store = await memoryStore({ clock, ephemeral: true }).open()
  const attempt = { id: 'attempt-1', fence: 1, parent: 'none', owner: 'owner-1' }
  const entry = { grant: 'work', attempt, answered: { token: brought(), refreshToken: held('refresh-2') } }
  let stored = (): void => undefined
  const storing = new Promise<void>((resolve) => {
    stored = resolve
  })
  const unheard: unknown[] = []
  const listen = (error: unknown) => unheard.push(error)
  process.on('unhandledRejection', listen)
  const broken: GrantStore = Object.assign(Object.create(store), {
    spool: { remains: () => [{ owner: 'owner-1', entries: [entry], discard: () => undefined }] },
    superseded: () => storing.then(() => []),
    update: store.update.bind(store),
    regressions: () => Promise.reject(new Error('the database is gone')),
  })
  const drained = drain({
    store: broken,
    clock,
    timing: {} as never,
    troubled: () => undefined,
    drained: () => undefined,
    uncommitted: new Set(),
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  stored()
  await expect(drained).rejects.toThrow('the database is gone')
  process.off('unhandledRejection', listen)
  expect(unheard).toEqual([])
  await store.close()
})

// A child that was stored before its parent left the parent as the present refresh token, and spending it twice ends the login.
test.each<[string, readonly (readonly number[])[]]>([
  ['in order', [[1, 2, 3]]],
  ['in one file out of order', [[3, 1, 2]]],
  ['in two files of which the newer comes first', [[3], [1, 2]]],
  ['in files of which each has some', [[2], [3, 1]]],
  [
    'twice',
    [
      [1, 2, 3],
      [3, 2, 1],
    ],
  ],
])('answers of one login that stand %s leave its newest refresh token', async (_, files) => {
  const clock = new ControlledClock()
  const store = await memoryStore({ clock, ephemeral: true }).open()
  await store.update('work', () => ({ result: undefined, record: strictRecord({ id: 'work' }) }))
  const entryOf = (number: number): SpoolEntry => ({
    grant: 'work',
    attempt: {
      id: `attempt-${number}`,
      fence: number + 1,
      parent: `print of refresh-${number}`,
      owner: `owner-${number}`,
    },
    answered: { token: brought(), refreshToken: held(`refresh-${number + 1}`) },
  })
  const discarded: string[] = []
  const remains = files.map((numbers, index) => ({
    owner: `file-${index}`,
    entries: numbers.map(entryOf),
    discard: () => void discarded.push(`file-${index}`),
  }))
  const left: GrantStore = Object.assign(Object.create(store), {
    spool: { remains: () => remains },
    superseded: store.superseded.bind(store),
    update: store.update.bind(store),
  })
  await drain({
    store: left,
    clock,
    timing: defaultTiming,
    troubled: () => undefined,
    drained: () => undefined,
    uncommitted: new Set(),
  })
  const record = await store.read('work')
  expect(record?.refreshToken?.fingerprint).toBe('print of refresh-4')
  expect(record?.tokens.map(({ generation }) => generation)).toEqual([3])
  expect(discarded).toEqual(files.map((__, index) => `file-${index}`))
  await store.close()
})
