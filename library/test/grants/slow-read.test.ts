// Memory counted its interval from when a read had come back: whoever revoked meanwhile waited too short a time.

import { expect, onTestFinished, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
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
