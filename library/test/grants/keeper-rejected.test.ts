import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

const minute = 60_000

async function withToken(options: Parameters<typeof practised>[0] = {}) {
  const at = await practised(options)
  await at.keeper.add('billing', at.service())
  await at.run(at.keeper.getToken('billing'))
  return at
}

describe('a token that the API refused', () => {
  test('is replaced once, and everybody who reports it gets the new one', async () => {
    const { keeper, run, tokenRequests } = await withToken()
    const reports = Array.from({ length: 100 }, () => keeper.rejected('billing', { generation: 1 }))
    const tokens = await run(Promise.all(reports))
    expect(new Set(tokens.map(({ value }) => value)).size).toBe(1)
    expect(tokens[0]?.generation).toBe(2)
    expect(tokenRequests()).toHaveLength(2)
    expect((await run(keeper.rejected('billing', { generation: 1 }))).generation).toBe(2)
    expect(tokenRequests()).toHaveLength(2)
  })

  test('is replaced once for a hundred reports from four keepers on one file', async () => {
    const file = newStoreFile()
    const { keeper, another, run, tokenRequests } = await withToken({
      store: (clock) => sqliteStore(file, { clock }),
    })
    const keepers = [keeper, await another(), await another(), await another()]
    const reports = Array.from({ length: 100 }, (_, index) =>
      (keepers[index % 4] ?? keeper).rejected('billing', { generation: 1 }),
    )
    const tokens = await run(Promise.all(reports))
    expect(new Set(tokens.map(({ value }) => value)).size).toBe(1)
    expect(tokens.map(({ generation }) => generation)).toEqual(Array(100).fill(2))
    expect(tokenRequests()).toHaveLength(2)
  })

  test('in a generation that is past or was never issued makes no request', async () => {
    const { keeper, run, tokenRequests } = await withToken()
    for (const generation of [0, 2, -1, 99])
      expect((await run(keeper.rejected('billing', { generation }))).generation).toBe(1)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('comes back with its generation when there is no newer one to be had', async () => {
    const { keeper, run, answerWith, tokenRequests } = await withToken()
    answerWith({ status: 500 })
    for (let report = 0; report < 20; report++)
      expect((await run(keeper.rejected('billing', { generation: 1 }))).generation).toBe(1)
    expect(tokenRequests().length).toBeLessThanOrEqual(2)
  })

  test('of one scope leaves the others alone', async () => {
    const { keeper, run } = await withToken()
    const narrow = await run(keeper.getToken('billing', { scope: 'read' }))
    const next = await run(keeper.rejected('billing', { generation: narrow.generation, scope: 'read' }))
    expect(next).toMatchObject({ generation: 2, scope: ['read'] })
    expect((await run(keeper.getToken('billing'))).generation).toBe(1)
  })

  test('is not refreshed during a backoff it has caused itself, and is once that is over', async () => {
    const { keeper, clock, run, answerWith } = await withToken()
    answerWith({ status: 500 })
    await run(keeper.rejected('billing', { generation: 1 }))
    answerWith(undefined)
    expect((await run(keeper.rejected('billing', { generation: 1 }))).generation).toBe(1)
    await clock.advance(2000)
    expect((await run(keeper.rejected('billing', { generation: 1 }))).generation).toBe(2)
  })
})

test('an API that refuses every token for ever causes one refresh a minute, not a storm', async () => {
  const { keeper, clock, run, tokenRequests } = await withToken()
  for (let second = 0; second < 300; second++) {
    const { generation } = await run(keeper.getToken('billing'))
    await run(Promise.all(Array.from({ length: 3 }, () => keeper.rejected('billing', { generation }))))
    await clock.advance(1000)
  }
  expect(tokenRequests().length).toBeLessThanOrEqual(7)
  expect(tokenRequests().length).toBeGreaterThanOrEqual(5)
  expect(clock.now()).toBeGreaterThanOrEqual(1_800_000_000_000 + 5 * minute)
})

test('a report is answered with the code of the grant when it gives no tokens', async () => {
  const { keeper, failure } = await withToken()
  await keeper.pause('billing')
  expect(await failure(keeper.rejected('billing', { generation: 1 }))).toMatchObject({ code: 'grant_paused' })
  expect(await failure(keeper.rejected('nobody', { generation: 1 }))).toMatchObject({ code: 'unknown_grant' })
})

test('a report is given up when its signal says so', async () => {
  const { keeper, failure } = await withToken()
  const signal = AbortSignal.abort(new Error('no longer'))
  expect(await failure(keeper.rejected('billing', { generation: 1, signal }))).toMatchObject({
    message: 'no longer',
  })
})

test('two processes that refresh by hand at once make one request, and both get its token', async () => {
  const file = newStoreFile()
  const { keeper, another, run, tokenRequests } = await withToken({
    store: (clock) => sqliteStore(file, { clock }),
    practice: { latency: 20 },
  })
  const other = await another()
  const [one, two] = await run(Promise.all([keeper.refresh('billing'), other.refresh('billing')]))
  expect([one.generation, two.generation, one.value === two.value]).toEqual([2, 2, true])
  expect(tokenRequests()).toHaveLength(2)
})

// Every caller whose flight failed made a request of its own: a thousand by hand, one after the other.
test('a thousand refreshes by hand at once make one request, also when it fails', async () => {
  const { keeper, run, answerWith, tokenRequests } = await withToken()
  const all = () => run(Promise.allSettled(Array.from({ length: 1000 }, () => keeper.refresh('billing'))))
  expect(new Set((await all()).map(({ status }) => status))).toEqual(new Set(['fulfilled']))
  expect(tokenRequests()).toHaveLength(2)
  answerWith({ status: 400, body: '{"error":"invalid_request"}' })
  const failed = await all()
  expect(new Set(failed.map((one) => one.status === 'rejected' && one.reason.code))).toEqual(
    new Set(['provider_error']),
  )
  expect(tokenRequests()).toHaveLength(3)
})
