import { startPracticeServer } from '@evertoken/testing'
import { expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

test('a reader whose token ends while it waits goes on waiting, like one that came without a token', async () => {
  // It was told token_unavailable after the short wait meant for readers who have something to fall back on.
  let slow = false
  await using server = await startPracticeServer({
    lifetimes: { accessToken: 2 },
    latency: () => (slow ? 600 : 0),
  })
  await using keeper = await Keeper.open({ store: memoryStore(), timing: { mandatoryWait: 200 } })
  await keeper.add(
    'billing',
    clientCredentials({
      tokenUrl: server.tokenEndpoint,
      clientId: 'practice-service',
      clientSecret: 'practice-service-secret',
    }),
  )
  const first = await keeper.getToken('billing')
  slow = true
  await expect.poll(() => first.expiresAt - Date.now(), { interval: 5, timeout: 3_000 }).toBeLessThan(150)
  const second = await keeper.getToken('billing')
  expect(second.generation).toBe(2)
  expect(second.stale).toBe(false)
})

test('a reader who waits for another process locks nothing, and takes what that process has stored', async () => {
  // It claimed ten times a second, and of sixteen processes the one that had the answer waited for the fifteen others.
  const file = newStoreFile()
  const { keeper, another, clock, run, service, answerWith, tokenRequests } = await practised({
    store: (time) => sqliteStore(file, { clock: time }),
  })
  await keeper.add('billing', service())
  await run(keeper.getToken('billing'))
  const other = await another()
  await clock.advance(61 * 60_000)
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<undefined>()
  answerWith(({ path }) => {
    if (path !== '/token') return undefined
    asked.resolve()
    return held.promise
  })
  const first = keeper.getToken('billing')
  await asked.promise
  let updates = 0
  const update = other.store.update.bind(other.store)
  other.store.update = (...given) => {
    updates += 1
    return update(...given)
  }
  const second = other.getToken('billing')
  await clock.advance(5_000)
  held.resolve(undefined)
  const [one, same] = await run(Promise.all([first, second]))
  expect(one.generation).toBe(2)
  expect(same.value).toBe(one.value)
  expect(updates).toBe(0)
  expect(tokenRequests()).toHaveLength(2)
})

test('what a process has stored itself it believes for an interval from when it asked, not from when the answer came', async () => {
  const { keeper, clock, run, service, answerWith } = await practised()
  await keeper.add('billing', service())
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<undefined>()
  answerWith(({ path }) => {
    if (path !== '/token') return undefined
    asked.resolve()
    return held.promise
  })
  const reading = keeper.getToken('billing')
  await asked.promise
  await clock.advance(600)
  held.resolve(undefined)
  await run(reading)
  expect(keeper.peekToken('billing')?.generation).toBe(1)
  await clock.advance(399)
  expect(keeper.peekToken('billing')?.generation).toBe(1)
  await clock.advance(1)
  expect(keeper.peekToken('billing')).toBe(undefined)
})
