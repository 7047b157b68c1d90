import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ReplayClass, replayClasses } from '../../src/grants/lifetime-facts.ts'
import { effectiveClass, limitsOf, defaultTiming as timing } from '../../src/grants/timing.ts'
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
