import { describe, expect, test } from 'vitest'
import { practisedBroker } from './practised-broker.ts'

describe('/healthz', () => {
  test('says that the process is alive, whatever the store does', async () => {
    const { send, keeper } = await practisedBroker()
    await keeper.close()
    const answer = await send('GET', '/healthz')
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }])
  })
})

describe('/readyz', () => {
  test('says that the store answers and the worker runs', async () => {
    const { send } = await practisedBroker()
    const answer = await send('GET', '/readyz')
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ready' }])
  })

  test('refuses when the store does not answer', async () => {
    const { send, keeper } = await practisedBroker()
    await keeper.close()
    const answer = await send('GET', '/readyz')
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'closed'])
    expect(answer.body).not.toContain(keeper.store.location)
  })

  test('refuses while the worker does not run', async () => {
    let running = false
    const { send } = await practisedBroker({ broker: { isReady: async () => running } })
    const answer = await send('GET', '/readyz')
    expect([answer.statusCode, answer.json().detail]).toEqual([503, 'the worker does not run'])
    running = true
    expect((await send('GET', '/readyz')).statusCode).toBe(200)
  })
})
