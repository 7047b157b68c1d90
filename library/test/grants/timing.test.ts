import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clientCredentials, refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { type ReplayClass, replayClasses } from '../../src/grants/lifetime-facts.ts'
import { effectiveClass, limitsOf, type Timing, defaultTiming as timing } from '../../src/grants/timing.ts'
import { checkedTiming } from '../../src/grants/timing-check.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { facts } from './records.ts'

const windowed: readonly ReplayClass[] = ['idempotent', 'last_child_wins', 'fork']

describe('a reuse window', () => {
  // Refresh-protocol 3.1: H = clamp((window − 5 s) / 2, 2 s, 15 s), L = H + 5 s, replay until window − 2 s.
  test.each<[number, number, number, number]>([
    [9000, 2000, 7000, 7000],
    [10_000, 2500, 7500, 8000],
    [30_000, 12_500, 17_500, 28_000],
    [35_000, 15_000, 20_000, 33_000],
    [60_000, 15_000, 20_000, 58_000],
    [1_800_000, 15_000, 20_000, 1_798_000],
  ])(
    'of %d ms gives a patience of %d, a lease of %d and replays until %d',
    (reuseWindow, deadline, lease, replay) => {
      for (const replayClass of windowed)
        expect(limitsOf(facts(replayClass, { reuseWindow }), timing)).toEqual({
          deadline,
          lease,
          quiescence: 120_000,
          replay,
        })
    },
  )

  test('below nine seconds is none, and its class is strict', () => {
    for (const replayClass of windowed) {
      const short = facts(replayClass, { reuseWindow: 8999 })
      expect(limitsOf(short, timing)).toEqual({
        deadline: 15_000,
        lease: 20_000,
        quiescence: 120_000,
        replay: 0,
      })
      expect(effectiveClass(short, timing)).toBe('strict')
      expect(effectiveClass(facts(replayClass, { reuseWindow: 9000 }), timing)).toBe(replayClass)
    }
  })

  test('leaves room for a request that fails and one that repeats it', () => {
    const window = fc.integer({ min: 9000, max: 86_400_000 })
    fc.assert(
      fc.property(window, fc.constantFrom(...windowed), (reuseWindow, replayClass) => {
        const { deadline, lease, replay } = limitsOf(facts(replayClass, { reuseWindow }), timing)
        expect(lease + deadline).toBeLessThanOrEqual(reuseWindow)
        expect(lease - deadline).toBe(5000)
        expect(replay).toBe(reuseWindow - 2000)
      }),
    )
  })

  test('means nothing to classes that have none', () => {
    for (const replayClass of ['strict', 'non_rotating'] as const) {
      expect(limitsOf(facts(replayClass, { reuseWindow: 60_000 }), timing).replay).toBe(0)
      expect(effectiveClass(facts(replayClass, { reuseWindow: 60_000 }), timing)).toBe(replayClass)
    }
  })
})

test('a provider’s own quiescence replaces ours', () => {
  for (const replayClass of replayClasses)
    expect(limitsOf(facts(replayClass, { quiescence: 5 }), timing).quiescence).toBe(5)
})

test('a worker stops waiting before anybody may take its grant, and the defaults are those of the protocol', () => {
  expect(timing).toMatchObject({
    deadline: 15_000,
    lease: 20_000,
    quiescence: 120_000,
    replayMargin: 2000,
    shortestDeadline: 2000,
    revalidate: 1000,
    mandatoryWait: 2000,
    revocation: 604_800_000,
    confirmations: [60_000, 600_000],
  })
})

describe('times with which no refresh would come about', () => {
  test.each<[Partial<Timing>, RegExp]>([
    [{ deadline: 20_000 }, /^timing\.lease \(20000 ms\) must be longer than timing\.deadline \(20000 ms\)/],
    [{ deadline: 0 }, /^timing\.deadline must be more than 0/],
    [
      { quiescence: 14_999 },
      /^timing\.quiescence \(14999 ms\) must be at least timing\.deadline \(15000 ms\): a request that is still waited for/,
    ],
    [{ scan: Number.NaN }, /^timing\.scan must be a number of milliseconds from 0 up, not NaN$/],
    [{ patience: -1 }, /^timing\.patience must be .*, not -1$/],
    [{ confirmations: [60_000, -1] }, /^timing\.confirmations must be .*, not -1$/],
    [{ consent: '10 min' as never }, /^timing\.consent must be .*, not 10 min$/],
  ])('%j are refused before the store is opened', async (given, message) => {
    let opened = false
    const store = {
      ...memoryStore({ ephemeral: true }),
      open: () => {
        opened = true
        return memoryStore({ ephemeral: true }).open()
      },
    }
    const refused = await Keeper.open({ store, timing: given }).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringMatching(message),
    })
    expect(opened).toBe(false)
  })

  test.each<[Partial<Timing>, RegExp]>([
    [
      { revalidate: 5000 },
      /^timing\.revalidate \(5000 ms\) must be at most 4000 ms with a lease of 20000 ms/,
    ],
    [{ revalidate: 4001 }, /must be at most 4000 ms.*the lease would be over before anything is sent$/],
    [{ deadline: 19_000 }, /^timing\.revalidate \(1000 ms\) must be at most 800 ms/],
  ])(
    '%j are refused to a grant whose old token dies at a refresh, and to no other',
    async (given, message) => {
      await using keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), timing: given })
      const client = { tokenUrl: 'https://auth.example/token', clientId: 'a', clientSecret: 'b' }
      await keeper.add('one', clientCredentials(client))
      const dying = refreshToken({ ...client, refreshToken: 'rt', oldTokenDies: true })
      await expect(keeper.add('two', dying)).rejects.toMatchObject({
        code: 'invalid_configuration',
        message: expect.stringMatching(message),
      })
      await expect(keeper.ensure('two', dying)).rejects.toMatchObject({ code: 'invalid_configuration' })
    },
  )

  // It was taken for the deadline, and nothing said so.
  test('a quiescence of a grant that is shorter than a request is waited for is refused', async () => {
    const store = memoryStore({ ephemeral: true })
    await using keeper = await Keeper.open({ store, timing: { deadline: 10_000 } })
    const login = { tokenUrl: 'https://auth.example/token', clientId: 'a', refreshToken: 'rt' }
    const refused = {
      code: 'invalid_configuration',
      message:
        'quiescence (9.9 s) must be at least the 10 s that a request is waited for: a request that is still waited for is not taken as dead',
      advice: 'Leave it out where the provider says nothing: the default is 120 s.',
    }
    const short = refreshToken({ ...login, quiescence: 9.9 })
    await expect(keeper.add('one', short)).rejects.toMatchObject(refused)
    await expect(keeper.ensure('one', short)).rejects.toMatchObject(refused)
    await keeper.add('one', refreshToken({ ...login, quiescence: 10 }))
  })

  test('are told apart from those with which it does, of which one that is not given is the default', () => {
    const longer = { revalidate: 5000, lease: 21_250 }
    expect(checkedTiming(longer)).toEqual({ ...timing, ...longer })
    expect(checkedTiming({ revalidate: 4000, patience: undefined } as never)).toEqual({
      ...timing,
      revalidate: 4000,
    })
    expect(checkedTiming()).toEqual(timing)
  })
})
