// A store that was slow to take an answer let the same process claim the grant again, and spend its refresh token twice.

import { expect, test } from 'vitest'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { practised } from './practised.ts'

test('what is under way in this process is not claimed again when its lease is over', async () => {
  const { clock, run, imported, tokenRequests, transport } = await practised()
  const opened = await memoryStore({ clock, ephemeral: true }).open()
  let taken: () => void = () => undefined
  let isSlow = false
  const slow = new Promise<void>((resolve) => {
    taken = resolve
  })
  const keeper = await Keeper.open({
    store: { open: async () => opened },
    clock,
    transport,
    faultPoint: (point) => {
      if (point !== 'post_receive' || !isSlow) return
      // From here on a commit waits; claims do not.
      isSlow = false
      const update = opened.update.bind(opened)
      opened.update = async (id, decide) => {
        opened.update = update
        await slow
        return update(id, decide)
      }
    },
  })
  await keeper.add('work', await imported({ replayClass: 'last_child_wins', reuseWindow: 120 }))
  await run(keeper.getToken('work'))
  await clock.advance(3_600_000)
  const asked = tokenRequests().length
  isSlow = true
  const { begun } = await run(keeper.tendDue(10))
  expect([...begun.keys()]).toEqual(['work'])
  await expect.poll(() => isSlow).toBe(false)
  await clock.advance(60_000)
  const again = await run(keeper.tendDue(10))
  expect([again.looked, again.begun.size]).toEqual([1, 0])
  expect((await run(keeper.tendDue(10))).looked).toBe(0)
  taken()
  expect(await run(begun.get('work') as Promise<unknown>)).toMatchObject({ kind: 'refreshed' })
  expect(tokenRequests()).toHaveLength(asked + 1)
  await run(keeper.close())
})
