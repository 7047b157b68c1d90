// Memory counted its interval from when a read had come back: whoever revoked meanwhile waited too short a time.

import { expect, onTestFinished, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

test('a login whose row was on its way to a reader when it was revoked is not served once that is said', async () => {
  const { clock, run, failure, service, transport } = await practised()
  const opened = await memoryStore({ clock, ephemeral: true }).open()
  let arrives: Promise<void> | undefined
  const slow = Object.assign(Object.create(opened), {
    async read(id: string) {
      const record = await opened.read(id)
      await arrives
      return record
    },
  })
  const keeper = await Keeper.open({ store: { open: async () => slow }, clock, transport })
  const revoker = await Keeper.open({ store: { open: async () => opened }, clock, transport })
  onTestFinished(() => run(Promise.all([keeper.close(), revoker.close()])).then(() => undefined))
  await keeper.add('billing', service())
  const { value } = await run(keeper.getToken('billing'))
  await clock.advance(1_000)
  // Something was written, so memory may not answer on the store's word that nothing was.
  await opened.update('billing', (record) => ({ result: undefined, record: record ?? null }))

  const arrived = Promise.withResolvers<void>()
  arrives = arrived.promise
  const read = keeper.getToken('billing')
  const revoking = revoker.revoke('billing')
  await expect.poll(async () => (await opened.read('billing'))?.status.state).not.toBe('active')
  await clock.advance(400)
  arrives = undefined
  arrived.resolve()
  expect((await read).value).toBe(value)
  await run(revoking)
  expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'grant_revoked' })
})

// It was given what it had read two seconds before.
test('a reader who waits for a refresh in vain is not served a login that was revoked meanwhile', async () => {
  const file = newStoreFile()
  const { keeper, another, clock, run, failure, imported, answerWith } = await practised({
    store: (time) => sqliteStore(file, { clock: time }),
  })
  await keeper.add('work', await imported())
  await run(keeper.getToken('work'))
  const other = await another()
  await clock.advance(56 * 60_000)
  const asked = Promise.withResolvers<void>()
  const held = Promise.withResolvers<undefined>()
  answerWith(({ path }) => {
    if (path !== '/token') return undefined
    asked.resolve()
    return held.promise
  })
  const reading = keeper.getToken('work').catch((error: Error & { code?: string }) => error.code)
  await asked.promise
  const revoking = other.revoke('work')
  await expect.poll(async () => (await keeper.store.read('work'))?.status.state).not.toBe('active')
  await clock.advance(1_000)
  await run(revoking)
  await clock.advance(1_000)
  expect(await reading).toBe('grant_revoked')
  held.resolve(undefined)
  expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
})

// The campaign on PostgreSQL: the last look at the store took 140 ms, and the token was over 19 ms before it came back.
test('a reader who waits for a refresh in vain is not served a token that ends while the store is looked at', async () => {
  const { clock, run, service, transport, answerWith } = await practised()
  const opened = await memoryStore({ clock, ephemeral: true }).open()
  let arrives: Promise<void> | undefined
  const looked = Promise.withResolvers<void>()
  const slow = Object.assign(Object.create(opened), {
    async read(id: string) {
      const record = await opened.read(id)
      if (arrives !== undefined) looked.resolve()
      await arrives
      return record
    },
  })
  const keeper = await Keeper.open({ store: { open: async () => slow }, clock, transport })
  onTestFinished(() => run(keeper.close()).then(() => undefined))
  await keeper.add('billing', service())
  const ending = await run(keeper.getToken('billing'))
  const { mandatoryWait } = keeper.timing
  await clock.advance(ending.expiresAt - clock.now() - mandatoryWait - 100)
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<undefined>()
  answerWith(({ path }) => {
    if (path !== '/token') return undefined
    asked.resolve()
    return answer.promise
  })
  const reading = keeper.getToken('billing')
  await asked.promise
  const arrived = Promise.withResolvers<void>()
  arrives = arrived.promise
  await clock.advance(mandatoryWait)
  await looked.promise
  await clock.advance(101)
  arrives = undefined
  arrived.resolve()
  answer.resolve(undefined)
  const token = await run(reading)
  expect(token.generation).toBe(2)
  expect(token.value).not.toBe(ending.value)
})
