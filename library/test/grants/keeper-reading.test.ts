import { describe, expect, onTestFinished, test } from 'vitest'
import { clientCredentials } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { type Transport, WireError } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { ControlledClock } from './controlled-clock.ts'
import { practised } from './practised.ts'

const minute = 60_000

/** A keeper with one grant of the practice service, whose token of an hour was just obtained. */
async function withToken(options: Parameters<typeof practised>[0] = {}) {
  const at = await practised(options)
  await at.keeper.add('billing', at.service())
  const token = await at.run(at.keeper.getToken('billing'))
  return { ...at, token }
}

describe('a token in memory', () => {
  test('is given again without a request and without the store', async () => {
    const { keeper, token, tokenRequests } = await withToken()
    await keeper.store.close()
    expect(await keeper.getToken('billing')).toBe(token)
    expect(keeper.peekToken('billing')).toBe(token)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('is not asked for by peeking: nothing is sent and nothing waited for', async () => {
    const { keeper, service, tokenRequests } = await practised()
    await keeper.add('billing', service())
    expect(keeper.peekToken('billing')).toBeUndefined()
    expect(keeper.peekToken('nobody')).toBeUndefined()
    expect(tokenRequests()).toEqual([])
  })

  test('is what an API accepts', async () => {
    const { token, server } = await withToken()
    expect(server.introspect(token.value)).toMatchObject({ active: true, client_id: 'practice-service' })
    expect(token).toMatchObject({ type: 'Bearer', generation: 1, stale: false, expiresAt: 1_800_003_600_000 })
  })

  test('is good for one interval; then another process’s change is seen', async () => {
    const file = newStoreFile()
    const { keeper, another, clock, run, token } = await withToken({
      store: (clock) => sqliteStore(file, { clock }),
      timing: { revalidate: 1000 },
    })
    const other = await another()
    const newer = await run(other.refresh('billing'))
    expect(newer.generation).toBe(2)
    expect(keeper.peekToken('billing')).toBe(token)
    await clock.advance(999)
    expect((await keeper.getToken('billing')).generation).toBe(1)
    await clock.advance(1)
    expect(keeper.peekToken('billing')).toBeUndefined()
    expect((await run(keeper.getToken('billing'))).value).toBe(newer.value)
  })

  test('a pause, a removal and a login by another process are seen after one interval', async () => {
    const file = newStoreFile()
    const { keeper, another, clock, failure } = await withToken({
      store: (clock) => sqliteStore(file, { clock }),
    })
    const other = await another()
    await other.pause('billing')
    await clock.advance(1000)
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'grant_paused' })
    await other.remove('billing')
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'unknown_grant' })
  })

  // The new grant's first token has the generation and the fence that the old one's had.
  test('of a grant that another process removed and added again is the new grant’s', async () => {
    const file = newStoreFile()
    const { keeper, another, clock, run, token, service } = await withToken({
      store: (clock) => sqliteStore(file, { clock }),
    })
    const other = await another()
    await other.remove('billing')
    await other.add('billing', service())
    const fresh = await run(other.getToken('billing'))
    expect(fresh.generation).toBe(token.generation)
    await clock.advance(1000)
    expect((await run(keeper.getToken('billing'))).value).toBe(fresh.value)
  })

  test('is asked from the store again when somebody sets the clock back', async () => {
    const { keeper, clock, token, run } = await withToken()
    clock.setUtc(-60 * minute)
    expect(keeper.peekToken('billing')).toBeUndefined()
    expect((await run(keeper.getToken('billing'))).value).toBe(token.value)
  })

  test('is not served beyond its life, however long nobody asked', async () => {
    const { keeper, clock, run, token } = await withToken()
    clock.suspend(24 * 60 * minute)
    expect(keeper.peekToken('billing')).toBeUndefined()
    const next = await run(keeper.getToken('billing'))
    expect([next.generation, next.value === token.value]).toEqual([2, false])
  })

  test('a closed keeper says that it is closed', async () => {
    const { keeper, clock, failure } = await withToken()
    await keeper.close()
    await clock.advance(2000)
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'closed' })
  })
})

describe('minTtl', () => {
  test('makes one refresh when the token ends sooner', async () => {
    const { keeper, clock, run, tokenRequests } = await withToken()
    await clock.advance(40 * minute)
    expect(await run(keeper.getToken('billing', { minTtl: 19 * 60 }))).toMatchObject({
      generation: 1,
      stale: false,
    })
    expect(await run(keeper.getToken('billing', { minTtl: 21 * 60 }))).toMatchObject({
      generation: 2,
      stale: false,
    })
    expect(tokenRequests()).toHaveLength(2)
  })

  test('of more than a life gives the best there is, marked stale, after at most one refresh', async () => {
    const { keeper, clock, run, tokenRequests } = await withToken()
    expect(await run(keeper.getToken('billing', { minTtl: 7200 }))).toMatchObject({
      generation: 1,
      stale: true,
    })
    await clock.advance(31 * minute)
    expect(await run(keeper.getToken('billing', { minTtl: 7200 }))).toMatchObject({
      generation: 2,
      stale: true,
    })
    expect(await run(keeper.getToken('billing', { minTtl: 7200 }))).toMatchObject({
      generation: 2,
      stale: true,
    })
    expect(await run(keeper.getToken('billing'))).toMatchObject({ generation: 2, stale: false })
    expect(tokenRequests()).toHaveLength(2)
  })

  test('gives the present token, marked stale, when no better one is to be had', async () => {
    const { keeper, clock, run, answerWith } = await withToken()
    await clock.advance(40 * minute)
    answerWith({ status: 500 })
    expect(await run(keeper.getToken('billing', { minTtl: 25 * 60 }))).toMatchObject({
      generation: 1,
      stale: true,
    })
  })
})

describe('in its advisory window', () => {
  test('a token is given at once and refreshed behind the reader’s back', async () => {
    const { keeper, clock, run, tokenRequests } = await withToken()
    await clock.advance(49 * minute)
    expect((await keeper.getToken('billing')).generation).toBe(1)
    await expect.poll(() => tokenRequests().length).toBe(2)
    await expect.poll(async () => (await run(keeper.getToken('billing'))).generation).toBe(2)
  })

  test('a reader never waits and never fails, whatever the provider does', async () => {
    const { keeper, clock, answerWith } = await withToken()
    answerWith('hang')
    await clock.advance(49 * minute)
    for (let read = 0; read < 3; read++) {
      expect(await keeper.getToken('billing')).toMatchObject({ generation: 1, stale: false })
      await clock.advance(1500)
    }
  })

  // Memory answered on and on, since nobody wrote to the store: nothing was tried again for seven minutes.
  test('a refresh that failed is tried again by later readers, also when no worker runs', async () => {
    const { keeper, clock, run, answerWith } = await withToken()
    await clock.advance(48 * minute + 1000)
    answerWith({ status: 503 })
    for (let second = 0; second < 60; second++) {
      expect((await run(keeper.getToken('billing'))).generation).toBe(1)
      await clock.advance(1000)
    }
    answerWith(undefined)
    for (let second = 0; second < 120; second++) {
      await run(keeper.getToken('billing'))
      await clock.advance(1000)
    }
    await expect.poll(async () => (await run(keeper.getToken('billing'))).generation).toBe(2)
  })
})

describe('in its mandatory window', () => {
  test('a reader waits for the new token', async () => {
    const { keeper, clock, run } = await withToken()
    await clock.advance(56 * minute)
    expect(await run(keeper.getToken('billing'))).toMatchObject({ generation: 2, stale: false })
  })

  test('a reader waits two seconds, then gets the present token, marked stale', async () => {
    const { keeper, clock, answerWith } = await withToken()
    await clock.advance(56 * minute)
    answerWith('hang')
    let given: unknown
    void keeper.getToken('billing').then((token) => {
      given = token
    })
    await clock.advance(1999)
    expect(given).toBeUndefined()
    await clock.advance(1)
    expect(given).toMatchObject({ generation: 1, stale: true })
  })

  test('a reader gets the present token at once when the provider refuses the client', async () => {
    const { keeper, clock, run, answerWith } = await withToken()
    await clock.advance(56 * minute)
    answerWith({ status: 401, body: '{"error":"invalid_client"}' })
    const before = clock.now()
    expect(await run(keeper.getToken('billing'))).toMatchObject({ generation: 1, stale: true })
    expect(clock.now() - before).toBeLessThan(2000)
  })

  // The failing store's error went to the reader, though a good token stood in the store.
  test('a store that takes no writes does not keep the present token from readers', async () => {
    const { keeper, clock, run } = await withToken()
    await clock.advance(56 * minute)
    keeper.store.update = () => Promise.reject(new Error('the disk is full'))
    expect(await run(keeper.getToken('billing'))).toMatchObject({ generation: 1, stale: true })
  })
})

describe('after its expiry', () => {
  test('a token that is almost over when it comes is given, marked stale, after one request', async () => {
    const { keeper, clock, run, answerWith, service, tokenRequests } = await practised()
    answerWith(() => {
      clock.setUtc(59_000)
      return { status: 200, body: '{"access_token":"short","expires_in":60}' }
    })
    await keeper.add('billing', service())
    expect(await run(keeper.getToken('billing'))).toMatchObject({ value: 'short', stale: true })
    expect(tokenRequests()).toHaveLength(1)
  })

  test('what waiting cannot mend is told at once, to every reader, after one request', async () => {
    const { keeper, clock, failure, answerWith, tokenRequests } = await withToken()
    await clock.advance(61 * minute)
    answerWith({ status: 401, body: '{"error":"invalid_client"}' })
    const before = clock.now()
    for (let read = 0; read < 3; read++)
      expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'invalid_client' })
    expect(clock.now()).toBe(before)
    expect(tokenRequests()).toHaveLength(2)
  })

  test('a reader whom another process keeps waiting is told so after fifteen seconds', async () => {
    const { keeper, clock, failure, tokenRequests } = await withToken()
    await clock.advance(61 * minute)
    await keeper.store.update('billing', (record) => {
      if (record === undefined) throw new Error('no grant')
      const { at, boot } = keeper.store.time()
      return { result: undefined, record: { ...record, lease: { owner: 'other', until: at + 20_000, boot } } }
    })
    const before = clock.now()
    expect(await failure(keeper.getToken('billing'))).toMatchObject({
      code: 'token_unavailable',
      message: expect.stringContaining('another process is at it'),
    })
    // It looks at the row every tenth of a second.
    expect(Math.floor((clock.now() - before) / 100)).toBe(150)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('a token is never given: the error says why there is none, and when the next try is', async () => {
    const { keeper, clock, failure, answerWith } = await withToken({ timing: { patience: 10_000 } })
    await clock.advance(61 * minute)
    answerWith({ status: 500 })
    const error = await failure(keeper.getToken('billing'))
    expect(error).toMatchObject({
      name: 'ProviderError',
      code: 'provider_answer_unusable',
      grant: 'billing',
      status: 500,
    })
    expect(error.message).toMatch(/status 500.*next try in 8 s$/)
  })

  test('a provider that is gone is told apart from one that is slow', async () => {
    const { keeper, clock, failure, server, service } = await practised({
      timing: { deadline: 50, patience: 300 },
    })
    await keeper.add('billing', service())
    await server.stop()
    expect(await failure(keeper.getToken('billing'))).toMatchObject({ code: 'provider_unreachable' })
    expect(clock.now()).toBeLessThanOrEqual(1_800_000_000_000 + 300)
    const slow = await practised({ timing: { deadline: 30, patience: 300 } })
    await slow.keeper.add('billing', slow.service())
    slow.answerWith('hang')
    expect(await slow.failure(slow.keeper.getToken('billing'))).toMatchObject({ code: 'provider_timeout' })
  })

  // It was told that another process was at it: it had given up a moment before its own request did.
  test('who waits for a provider that never answers hears that after the deadline of one request, and no second is begun', async () => {
    const clock = new ControlledClock()
    let sent = 0
    const transport: Transport = async ({ deadline }) => {
      sent += 1
      await clock.sleep(deadline)
      throw new WireError('deadline', `no whole answer within ${deadline} ms`, { sent: true })
    }
    const store = memoryStore({ clock, ephemeral: true })
    const keeper = await Keeper.open({ store, clock, transport, random: () => 0.5 })
    onTestFinished(() => clock.until(keeper.close()))
    const client = { tokenUrl: 'https://auth.example/token', clientId: 'a', clientSecret: 'b' }
    await keeper.add('billing', clientCredentials(client))
    const before = clock.now()
    const failure = await clock.until(keeper.getToken('billing').catch((error: unknown) => error))
    expect(failure).toMatchObject({
      code: 'provider_timeout',
      message: 'grant billing: no answer from the token endpoint (no whole answer within 15000 ms)',
    })
    expect([clock.now() - before, sent]).toEqual([15_000, 1])
  })

  test('a reader waits fifteen seconds at most, and gets the token if the provider comes back meanwhile', async () => {
    const { keeper, clock, run, answerWith, told } = await withToken()
    await clock.advance(61 * minute)
    let tries = 0
    answerWith(() => {
      tries += 1
      return tries < 3 ? { status: 502 } : undefined
    })
    const before = clock.now()
    expect((await run(keeper.getToken('billing'))).generation).toBe(2)
    expect(clock.now() - before).toBeLessThan(15_000)
    expect(told.slice(-2)).toEqual([
      ['refreshed', expect.objectContaining({ grant: 'billing', generation: 2 })],
      ['recovered', { grant: 'billing', failures: 2 }],
    ])
    expect((await keeper.show('billing')).lastError).toBeUndefined()
  })

  // Every read became a refresh, and one read refreshed for ever.
  test('of tokens that are born expired one read makes no more than a few, and says so', async () => {
    const { keeper, clock, failure, answerWith, service, tokenRequests } = await practised()
    answerWith(() => {
      clock.setUtc(2000)
      return { status: 200, body: '{"access_token":"short","expires_in":1}' }
    })
    await keeper.add('billing', service())
    expect(await failure(keeper.getToken('billing'))).toMatchObject({
      code: 'token_unavailable',
      message: expect.stringContaining('expired when it came'),
    })
    expect(tokenRequests().length).toBeLessThanOrEqual(3)
  })
})

test('readers of unknown grants are told the name and the place', async () => {
  const { keeper, failure } = await practised()
  const error = await failure(keeper.getToken('bil ling'))
  expect(error).toMatchObject({ code: 'unknown_grant', message: 'there is no grant "bil ling" in memory' })
})

test('a signal ends the wait with its reason, and the refresh goes on for the others', async () => {
  const { keeper, clock, run, answerWith, service } = await practised()
  let answer = (): void => undefined
  answerWith(() => new Promise((resolve) => (answer = () => resolve(undefined))))
  await keeper.add('billing', service())
  const controller = new AbortController()
  const [impatient, patient] = [
    keeper.getToken('billing', { signal: controller.signal }),
    keeper.getToken('billing'),
  ]
  const refused = expect(impatient).rejects.toThrow('no longer')
  await clock.advance(100)
  controller.abort(new Error('no longer'))
  await refused
  answer()
  expect((await run(patient)).generation).toBe(1)
})
