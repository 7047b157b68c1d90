// A database that went away while a dead process's answers were being stored ended the process: a rejection nobody waited for.

import { expect, test } from 'vitest'
import { drain } from '../../src/grants/drain.ts'
import type { GrantStore } from '../../src/grants/store.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { ControlledClock } from './controlled-clock.ts'
import { brought, held } from './records.ts'

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
