import { describe, expect, test } from 'vitest'
import { EvertokenError, ProviderError } from '../../src/errors.ts'
import { AccessToken, type TokenSource } from '../../src/grants/token.ts'
import type { IssuedToken } from '../../src/use/issued-token.ts'
import {
  type RefreshingSourceOptions,
  refreshingSource,
  type WantedToken,
} from '../../src/use/refreshing-source.ts'
import { cachedSource, narrowedSource, staticSource } from '../../src/use/source-wrappers.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'

const minute = 60_000

/** A source on the test's clock whose tokens live an hour and are numbered, or fail as the test says. */
function counted(options: RefreshingSourceOptions = {}, lifetime = 3600) {
  const clock = new ControlledClock()
  const asked: WantedToken[] = []
  let answer: (count: number) => Promise<IssuedToken> | IssuedToken = (count) => ({
    value: `token-${count}`,
    expiresIn: lifetime,
  })
  const source = refreshingSource(
    (wanted) => {
      asked.push(wanted)
      return answer(asked.length)
    },
    { clock, random: () => 0.5, ...options },
  )
  return {
    clock,
    source,
    asked,
    answerWith: (next: typeof answer) => {
      answer = next
    },
    value: async () => (await source.getToken()).value,
  }
}

const unreachable = (): never => {
  throw new ProviderError('provider_unreachable', 'no answer')
}

describe('a refreshing source', () => {
  test('asks once for all who wait, and serves the same promise from memory', async () => {
    const { source, asked } = counted()
    const tokens = await Promise.all(Array.from({ length: 100 }, () => source.getToken()))
    expect(new Set(tokens).size).toBe(1)
    expect(asked).toEqual([{}])
    expect(source.getToken()).toBe(source.getToken())
    expect(source.peekToken()).toBe(tokens[0])
    expect(tokens[0]).toMatchObject({
      type: 'Bearer',
      generation: 1,
      scope: [],
      expiresAt: 1_800_003_600_000,
    })
  })

  test('asks behind its readers’ backs in the advisory window, and they have the next token then', async () => {
    const { clock, value, asked } = counted()
    expect(await value()).toBe('token-1')
    await clock.advance(47 * minute)
    expect(await value()).toBe('token-1')
    expect(asked).toHaveLength(1)
    await clock.advance(2 * minute)
    expect(await value()).toBe('token-1')
    await clock.advance(0)
    expect([await value(), asked]).toEqual(['token-2', [{}, {}]])
  })

  test('asks no more than its pauses let it while it has a token, however often that is read', async () => {
    const { clock, value, answerWith, asked } = counted()
    await value()
    answerWith(unreachable)
    await clock.advance(50 * minute)
    for (let read = 0; read < 10; read++) {
      expect(await value()).toBe('token-1')
      await clock.advance(0)
    }
    expect(asked).toHaveLength(2)
    await clock.advance(minute)
    await value()
    expect(asked).toHaveLength(3)
  })

  test('goes by refreshBefore', async () => {
    const { clock, value, asked } = counted({ refreshBefore: 1200 })
    await value()
    await clock.advance(39 * minute)
    await value()
    expect(asked).toHaveLength(1)
    await clock.advance(2 * minute)
    await value()
    expect(asked).toHaveLength(2)
  })

  test('lets a reader in the mandatory window wait for two seconds and no longer', async () => {
    const { clock, source, value, answerWith } = counted()
    await value()
    answerWith(() => new Promise(() => undefined))
    await clock.advance(59 * minute)
    const token = await clock.until(source.getToken())
    expect([token.value, clock.sleeps]).toEqual(['token-1', [2000]])
  })

  test('gives a reader whose token ends while it waits the next one, or the reason why there is none', async () => {
    const { clock, source, answerWith, asked } = counted()
    const request = { scope: 'read' }
    await source.getToken(request)
    const { promise, resolve } = Promise.withResolvers<IssuedToken>()
    answerWith(() => promise)
    await clock.advance(59.99 * minute)
    const reading = source.getToken(request)
    await clock.advance(2_000)
    resolve({ value: 'next', expiresIn: 60 })
    expect((await reading).value).toBe('next')
    answerWith(() => {
      throw new EvertokenError('grant_revoked', 'it is revoked')
    })
    await clock.advance(0.9 * minute)
    await expect(clock.until(source.getToken(request))).rejects.toMatchObject({ code: 'grant_revoked' })
    expect(asked).toEqual([request, request, request])
  })

  test('serves the present token while it lives when nobody can be asked, then says why there is none', async () => {
    const { clock, source, value, answerWith, asked } = counted()
    await value()
    answerWith(unreachable)
    await clock.advance(58 * minute)
    expect(await clock.until(value())).toBe('token-1')
    await clock.advance(3 * minute)
    await expect(source.getToken()).rejects.toMatchObject({ code: 'provider_unreachable' })
    expect(source.peekToken()).toBeUndefined()
    answerWith(() => ({ value: 'back', expiresIn: 60 }))
    await clock.advance(minute)
    expect([await value(), asked.length]).toEqual(['back', 4])
  })

  test('asks again after a growing pause, and tells the last reason in between', async () => {
    const { clock, source, answerWith, asked } = counted()
    answerWith(unreachable)
    for (let read = 0; read < 10; read++) await expect(source.getToken()).rejects.toThrow('no answer')
    expect(asked).toHaveLength(1)
    // Half of two, four and eight seconds: the jitter of the test is a half.
    for (const [ms, count] of [
      [999, 1],
      [1, 2],
      [1999, 2],
      [1, 3],
    ] as const) {
      await clock.advance(ms)
      await expect(source.getToken()).rejects.toThrow('no answer')
      expect(asked).toHaveLength(count)
    }
    // After a success it begins with the shortest again.
    answerWith(() => ({ value: 'back', expiresIn: 1 }))
    await clock.advance(4_000)
    expect((await source.getToken()).value).toBe('back')
    answerWith(unreachable)
    await clock.advance(1_000)
    for (const [ms, count] of [
      [0, 5],
      [999, 5],
      [1, 6],
    ] as const) {
      await clock.advance(ms)
      await expect(source.getToken()).rejects.toThrow('no answer')
      expect(asked).toHaveLength(count)
    }
  })

  test('tells nobody of a failure for which nobody waits any more', async () => {
    const { source, answerWith } = counted()
    const { promise, reject } = Promise.withResolvers<IssuedToken>()
    answerWith(() => promise)
    const over = new AbortController()
    const reading = source.getToken({ signal: over.signal })
    over.abort(new Error('no longer'))
    await expect(reading).rejects.toThrow('no longer')
    reject(new Error('no answer'))
    await expect(source.getToken()).rejects.toThrow('no answer')
  })

  test('keeps a thousand scopes in memory, and forgets the oldest', async () => {
    const { source, asked } = counted()
    for (let scope = 0; scope <= 1_000; scope++) await source.getToken({ scope: `scope-${scope}` })
    await source.getToken({ scope: 'scope-1000' })
    expect(asked).toHaveLength(1_001)
    await source.getToken({ scope: 'scope-0' })
    expect(asked).toHaveLength(1_002)
  })

  test('waits as long as it was asked to', async () => {
    const { clock, source, answerWith, asked } = counted({ random: () => 0 })
    answerWith(() => {
      throw new ProviderError('provider_error', 'slow down', { retryAfter: 30 })
    })
    await expect(source.getToken()).rejects.toThrow('slow down')
    await clock.advance(29_999)
    await expect(source.getToken()).rejects.toThrow('slow down')
    expect(asked).toHaveLength(1)
    await clock.advance(1)
    await expect(source.getToken()).rejects.toThrow('slow down')
    expect(asked).toHaveLength(2)
  })

  test('gives out no token of a grant that was revoked', async () => {
    const { clock, source, value, answerWith } = counted()
    await value()
    answerWith(() => {
      throw new EvertokenError('grant_revoked', 'it is revoked')
    })
    await clock.advance(50 * minute)
    await value()
    await clock.advance(0)
    await expect(source.getToken()).rejects.toMatchObject({ code: 'grant_revoked' })
    expect(source.peekToken()).toBeUndefined()
  })

  test.each<[string, unknown, RefreshingSourceOptions, string | undefined]>([
    ['that is no error of evertoken, whatever its code', { code: 'grant_revoked' }, {}, 'token-1'],
    ['that its user knows', 'over', { endsToken: (error) => error === 'over' }, undefined],
    [
      'that its user knows nothing of',
      new EvertokenError('grant_revoked', 'it is revoked'),
      { endsToken: (error) => error === 'over' },
      'token-1',
    ],
  ])('after an error %s', async (_, error, options, left) => {
    const { clock, source, value, answerWith } = counted(options)
    await value()
    answerWith(() => Promise.reject(error))
    await clock.advance(50 * minute)
    await value()
    await clock.advance(0)
    expect(source.peekToken()?.value).toBe(left)
  })

  test('keeps tokens of other scopes and resources apart, however their scope is written', async () => {
    const { source, asked } = counted()
    const one = await source.getToken({ scope: 'b a' })
    expect(await source.getToken({ scope: ['a', 'b'] })).toBe(one)
    expect(await source.getToken({ scope: 'a b', resource: 'https://api.example' })).not.toBe(one)
    expect(source.peekToken({ scope: 'a b' })).toBe(one)
    expect(source.peekToken()).toBeUndefined()
    expect(asked).toEqual([{ scope: 'b a' }, { scope: 'a b', resource: 'https://api.example' }])
  })

  test('marks a token that ends sooner than asked, and insists on no more than half of a life', async () => {
    const { clock, source, asked } = counted()
    await source.getToken()
    await clock.advance(20 * minute)
    expect((await source.getToken({ minTtl: 35 * 60 })).value).toBe('token-1')
    expect(await source.getToken({ minTtl: 50 * 60 })).toMatchObject({ value: 'token-1', stale: true })
    expect(asked).toHaveLength(1)
    await clock.advance(15 * minute)
    expect(await source.getToken({ minTtl: 29 * 60 })).toMatchObject({ value: 'token-2', stale: false })
    await source.getToken({ scope: 'a' })
    await clock.advance(35 * minute)
    await source.getToken({ scope: 'a', minTtl: 29 * 60 })
    expect(asked).toEqual([{}, { minTtl: 1740 }, { scope: 'a' }, { scope: 'a', minTtl: 1740 }])
  })

  test('lets a reader go who gives up, and the question goes on', async () => {
    const { source, value, answerWith, asked } = counted()
    let answer = (_: IssuedToken): void => undefined
    answerWith(() => new Promise((resolve) => (answer = resolve)))
    const over = new AbortController()
    const reading = source.getToken({ signal: over.signal })
    over.abort(new Error('no longer'))
    await expect(reading).rejects.toThrow('no longer')
    await expect(source.getToken({ signal: over.signal })).rejects.toThrow('no longer')
    answer({ value: 'late', expiresIn: 60 })
    expect([await value(), asked.length]).toEqual(['late', 1])
    await expect(source.getToken({ signal: over.signal })).rejects.toThrow('no longer')
  })

  test.each([
    ['nothing', undefined],
    ['an empty token', { value: '' }],
    ['a number', { value: 5 }],
    ['a token of a megabyte', { value: 'x'.repeat(1 << 20) }],
    ['a token that ended', { value: 'abc', expiresAt: 1_700_000_000_000 }],
    ['a lifetime of none', { value: 'abc', expiresIn: 0 }],
    ['an expiry that is no time', { value: 'abc', expiresIn: Number.NaN }],
  ])('takes no %s for a token', async (_name, issued) => {
    const { source, answerWith } = counted()
    answerWith(() => issued as IssuedToken)
    await expect(source.getToken()).rejects.toMatchObject({
      code: 'token_unavailable',
      advice: expect.any(String),
    })
  })

  test.each([
    [{ refreshBefore: -1 }, 'refreshBefore'],
    [{ assumedLifetime: 0 }, 'assumedLifetime'],
  ])('refuses %j', (options, said) => {
    expect(() => refreshingSource(() => ({ value: 'x' }), options)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining(said) }),
    )
    expect(() => refreshingSource(undefined as never)).toThrow(TypeError)
  })
})

describe('a token that an API refused', () => {
  test('is replaced once, however many report it', async () => {
    const { source, asked } = counted()
    const first = await source.getToken()
    const newer = await Promise.all(
      Array.from({ length: 50 }, () => source.rejected({ generation: first.generation })),
    )
    expect(new Set(newer.map(({ value }) => value))).toEqual(new Set(['token-2']))
    expect(asked).toEqual([{}, { rejected: 1 }])
    expect((await source.rejected({ generation: 1 })).value).toBe('token-2')
    expect(asked).toHaveLength(2)
  })

  test.each([
    ['a minute', 3600, 60_000],
    ['a quarter of its life', 40, 10_000],
  ])('by an API that refuses each is replaced once in %s', async (_, lifetime, pause) => {
    const { clock, source, asked } = counted({ refreshBefore: 0 }, lifetime)
    await source.getToken()
    for (const [ms, count] of [
      [0, 2],
      [pause - 1, 2],
      [1, 3],
      [pause - 1, 3],
    ] as const) {
      await clock.advance(ms)
      await source.rejected({ generation: (await source.getToken()).generation })
      expect(asked).toHaveLength(count)
    }
  })

  test('long after it was replaced is no reason to ask', async () => {
    const { clock, source, asked } = counted()
    await source.getToken()
    await source.rejected({ generation: 1 })
    await clock.advance(5 * minute)
    expect((await source.rejected({ generation: 1 })).value).toBe('token-2')
    expect(asked).toHaveLength(2)
  })

  test('before anybody had one is asked for as any other, for its scope and resource', async () => {
    const { source, asked } = counted()
    const wanted = { scope: 'read', resource: 'https://api.example' }
    expect((await source.rejected({ generation: 7, ...wanted })).value).toBe('token-1')
    expect((await source.rejected({ generation: 1, ...wanted })).value).toBe('token-2')
    expect(asked).toEqual([wanted, { ...wanted, rejected: 1 }])
  })

  test('comes back with its generation when there is no other, and nobody is asked again at once', async () => {
    const { source, answerWith, asked } = counted()
    const first = await source.getToken()
    answerWith(unreachable)
    expect(await source.rejected({ generation: 1 })).toBe(first)
    expect(await source.rejected({ generation: 1 })).toBe(first)
    expect(asked).toHaveLength(2)
  })

  test('comes back while the pause after a failure lasts', async () => {
    const { clock, source, value, answerWith, asked } = counted()
    const first = await source.getToken()
    answerWith(unreachable)
    await clock.advance(50 * minute)
    await value()
    await clock.advance(0)
    expect(await source.rejected({ generation: 1 })).toBe(first)
    expect(asked).toHaveLength(2)
  })

  test('comes back also where its grant turns out to be revoked, and is given to nobody after that', async () => {
    const { source, answerWith } = counted()
    const first = await source.getToken()
    answerWith(() => {
      throw new EvertokenError('grant_revoked', 'it is revoked')
    })
    expect(await source.rejected({ generation: 1 })).toBe(first)
    expect(source.peekToken()).toBeUndefined()
    await expect(source.getToken()).rejects.toMatchObject({ code: 'grant_revoked' })
  })

  test('is waited for as long as its caller likes', async () => {
    const { source, answerWith, asked } = counted()
    await source.getToken()
    answerWith(() => new Promise(() => undefined))
    const over = new AbortController()
    const waiting = source.rejected({ generation: 1, signal: over.signal })
    over.abort(new Error('no longer'))
    await expect(waiting).rejects.toThrow('no longer')
    await expect(source.rejected({ generation: 2, signal: over.signal })).rejects.toThrow('no longer')
    expect(asked).toHaveLength(2)
  })
})

describe('wrappers', () => {
  const held = (generation: number, expiresAt: number): AccessToken =>
    new AccessToken(`held-${generation}`, {
      type: 'Bearer',
      expiresAt,
      scope: ['read'],
      generation,
      metadata: { region: 'eu' },
      stale: false,
      presentation: { scheme: 'OAuth' },
    })

  test('a static source gives its one token until it ends', async () => {
    const clock = new ControlledClock()
    const source = staticSource({ value: 'abc', expiresIn: 60, scope: 'a b' }, { clock })
    const token = await source.getToken()
    expect(token).toMatchObject({ value: 'abc', type: 'Bearer', scope: ['a', 'b'], generation: 1 })
    expect(await source.rejected({ generation: 1 })).toBe(token)
    await clock.advance(60_000)
    await expect(source.getToken()).rejects.toMatchObject({
      code: 'token_unavailable',
      message: 'the token ended at 2027-01-15T08:01:00.000Z',
    })
    expect((await staticSource('abc').getToken()).value).toBe('abc')
    expect(() => staticSource('')).toThrow(expect.objectContaining({ code: 'token_unavailable' }))
  })

  test('a cached source asks the one behind it only when its token is soon to end, and hands its facts on', async () => {
    const clock = new ControlledClock()
    const asked: unknown[] = []
    let generation = 7
    const behind: TokenSource = {
      getToken: async (request) => {
        asked.push(request)
        return held(generation, clock.now() + 3_600_000)
      },
      rejected: async (report) => {
        asked.push(report)
        generation += 1
        return held(generation, clock.now() + 3_600_000)
      },
    }
    const source = cachedSource(behind, { clock })
    const token = await source.getToken()
    expect(token).toMatchObject({
      value: 'held-7',
      generation: 7,
      scope: ['read'],
      metadata: { region: 'eu' },
    })
    expect(token.presentation).toEqual({ scheme: 'OAuth' })
    await clock.advance(30 * minute)
    expect(await source.getToken()).toBe(token)
    expect((await source.rejected({ generation: 7 })).generation).toBe(8)
    await source.getToken({ scope: 'read' })
    expect((await source.rejected({ generation: 8, scope: 'read' })).generation).toBe(9)
    expect(asked).toEqual([{}, { generation: 7 }, { scope: 'read' }, { generation: 8, scope: 'read' }])
    expect(() => cachedSource({} as TokenSource)).toThrow('cachedSource takes a token source')
  })

  test('a narrowed source asks for its scope and resource whatever its reader wants', async () => {
    const { source, asked } = counted()
    const narrow = narrowedSource(source, { scope: 'read', resource: 'https://api.example' })
    const fixed = { scope: 'read', resource: 'https://api.example' }
    await narrow.getToken({ scope: 'write' })
    expect((await narrow.rejected({ generation: 1, scope: 'write' })).generation).toBe(2)
    expect(asked).toEqual([fixed, { ...fixed, rejected: 1 }])
    const there = narrowedSource(source, { resource: 'https://other.example' })
    expect(await there.getToken({ minTtl: 3600 })).toMatchObject({ value: 'token-3', stale: false })
    const over = AbortSignal.abort(new Error('no longer'))
    await expect(there.getToken({ signal: over })).rejects.toThrow('no longer')
    expect(asked[2]).toEqual({ resource: 'https://other.example' })
    expect(() => narrowedSource(source, {})).toThrow('neither scope nor resource')
    expect(() => narrowedSource({} as TokenSource, fixed)).toThrow(TypeError)
  })

  test('compose', async () => {
    const { source, asked } = counted()
    const composed = narrowedSource(cachedSource(source), { scope: 'read' })
    await composed.getToken()
    await composed.getToken()
    expect(asked).toEqual([{ scope: 'read' }])
  })
})
