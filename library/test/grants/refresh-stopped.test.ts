// A process that was stopped after its mark sent when it went on, outside of the window: that ended the login.

import { expect, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { practised } from './practised.ts'

test.each(['strict', 'last_child_wins', 'fork', 'non_rotating'] as const)(
  'a process of class %s that was stopped between mark and send sends nothing when it goes on',
  async (replayClass) => {
    const { clock, run, imported, tokenRequests, transport } = await practised()
    let stop = 0
    const keeper = await Keeper.open({
      store: memoryStore({ clock, ephemeral: true }),
      clock,
      transport,
      faultPoint: (point) => {
        if (point !== 'pre_send' || stop === 0) return
        clock.suspend(stop)
        stop = 0
      },
    })
    const windowed = replayClass === 'last_child_wins' || replayClass === 'fork'
    await keeper.add('work', await imported({ replayClass, reuseWindow: windowed ? 120 : undefined }))
    await run(keeper.getToken('work'))
    const asked = tokenRequests().length
    stop = 40_000
    const stopped = await run(keeper.refresh('work').catch((error: Error & { code?: string }) => error.code))
    expect(stop).toBe(0)
    expect(tokenRequests()).toHaveLength(asked)
    expect(await keeper.show('work')).toMatchObject({ generation: 1, unresolved: false, state: 'active' })
    expect(stopped).toBe('token_unavailable')
    await run(keeper.refresh('work'))
    expect(tokenRequests()).toHaveLength(asked + 1)
    expect(await keeper.show('work')).toMatchObject({ generation: 2 })
    await run(keeper.close())
  },
)

test('a process that was stopped while it made its request sends nothing either', async () => {
  const { clock, run, imported, tokenRequests, transport } = await practised()
  let stop = 0
  const keeper = await Keeper.open({
    store: memoryStore({ clock, ephemeral: true }),
    clock,
    transport,
    faultPoint: (point) => {
      // After it the time is read once more, and the request is made.
      if (point === 'pre_send' && stop > 0) queueMicrotask(() => clock.suspend(stop))
    },
  })
  await keeper.add('work', await imported({ replayClass: 'strict' }))
  await run(keeper.getToken('work'))
  const asked = tokenRequests().length
  stop = 40_000
  await run(keeper.refresh('work').catch(() => undefined))
  expect(tokenRequests()).toHaveLength(asked)
  expect(await keeper.show('work')).toMatchObject({
    generation: 1,
    unresolved: false,
    state: 'active',
    lastError: { message: expect.stringContaining('stopped before the send') },
  })
  await run(keeper.close())
})
