import { startPracticeServer } from '@evertoken/testing'
import { expect, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { memoryStore } from '../../src/stores/memory.ts'

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
