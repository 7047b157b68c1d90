import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoff, type Freshness, freshness, spread, untilDue, windows } from '../../src/grants/schedule.ts'
import { retryAfter } from '../../src/oauth/retry-after.ts'

const lifetime = fc.oneof(
  fc.integer({ min: 1, max: 120_000 }),
  fc.integer({ min: 1, max: 100 * 365 * 86_400_000 }),
)
const refreshBefore = fc.option(fc.integer({ min: 0, max: 10 ** 12 }), { nil: undefined })
const near = fc.constantFrom<Freshness>('fresh', 'advisory', 'mandatory', 'expired')
const drawn = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const minute = 60_000

describe('the windows before an expiry', () => {
  test.each([
    [60, 30, 15],
    [300, 60, 30],
    [3600, 720, 300],
    [43_200, 900, 300],
    [120, 60, 20],
    [2, 1, 0.5],
  ])('of a token that lives %d s are %d s and %d s', (seconds, advisory, mandatory) => {
    expect(windows(seconds * 1000)).toEqual({ advisory: advisory * 1000, mandatory: mandatory * 1000 })
  })

  test('are never longer than half of the life, and the mandatory one lies in the advisory one', () => {
    fc.assert(
      fc.property(lifetime, refreshBefore, (life, before) => {
        const { advisory, mandatory } = windows(life, before)
        expect(advisory).toBeLessThanOrEqual(life / 2)
        expect(mandatory).toBeLessThanOrEqual(Math.min(advisory, life / 4))
        expect(mandatory).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  test('refreshBefore replaces the advisory window as far as half of the life', () => {
    expect(windows(3_600_000, 100_000)).toEqual({ advisory: 100_000, mandatory: 100_000 })
    expect(windows(3_600_000, 600_000)).toEqual({ advisory: 600_000, mandatory: 300_000 })
    expect(windows(3_600_000, 9_000_000).advisory).toBe(1_800_000)
    expect(windows(3_600_000, 0)).toEqual({ advisory: 0, mandatory: 0 })
  })

  test('are one where the old token dies at a refresh, unless refreshBefore says otherwise', () => {
    fc.assert(
      fc.property(lifetime, refreshBefore, (life, before) => {
        const { mandatory } = windows(life)
        expect(windows(life, undefined, true)).toEqual({ advisory: mandatory, mandatory })
        if (before !== undefined) expect(windows(life, before, true)).toEqual(windows(life, before))
      }),
    )
    expect(freshness({ expiresAt: 3_600_000, lifetime: 3_600_000 }, undefined, 3_000_000, true)).toBe('fresh')
    expect(freshness({ expiresAt: 3_600_000, lifetime: 3_600_000 }, undefined, 3_300_000, true)).toBe(
      'mandatory',
    )
  })
})

describe('a token is due', () => {
  test('never before now, never before half of its life, never after its advisory window began', () => {
    fc.assert(
      fc.property(
        lifetime,
        refreshBefore,
        fc.string(),
        fc.integer({ min: 0, max: 10 ** 12 }),
        (life, before, id, age) => {
          const token = { expiresAt: life, lifetime: life }
          const wait = untilDue(token, { id, refreshBefore: before }, age)
          expect(wait).toBeGreaterThanOrEqual(0)
          const { advisory } = windows(life, before)
          if (wait > 0) {
            expect(age + wait).toBeGreaterThanOrEqual(life / 2 - 0.001)
            expect(age + wait).toBeLessThanOrEqual(life - advisory + 0.001)
          } else expect(age).toBeGreaterThanOrEqual(life / 2 - 0.001)
        },
      ),
    )
  })

  // Names that end in a number came due in a few bunches: FNV-1a alone hardly mixes the last character.
  test.each([200, 1000])(
    'at a moment of its own: %d grants added together come due evenly over a quarter of the window',
    (count) => {
      const dues = Array.from({ length: count }, (_, index) =>
        untilDue({ expiresAt: 3_600_000, lifetime: 3_600_000 }, { id: `grant-${index}` }, 0),
      )
      expect(Math.min(...dues)).toBeGreaterThanOrEqual(3_600_000 - 900_000)
      expect(Math.max(...dues)).toBeLessThanOrEqual(3_600_000 - 720_000)
      for (let tenth = 0; tenth < 10; tenth++) {
        const from = 2_700_000 + tenth * 18_000
        const share = dues.filter((due) => due >= from && due < from + 18_000).length / count
        expect(share).toBeGreaterThan(0.05)
        expect(share).toBeLessThan(0.16)
      }
    },
  )
})

test('the spread of an id is always the same, from 0 up to 1', () => {
  fc.assert(
    fc.property(fc.string(), (id) => {
      expect(spread(id)).toBe(spread(id))
      expect(spread(id)).toBeGreaterThanOrEqual(0)
      expect(spread(id)).toBeLessThan(1)
    }),
  )
})

test.each<[number, Freshness]>([
  [3_600_000, 'fresh'],
  [720_001, 'fresh'],
  [720_000, 'advisory'],
  [300_001, 'advisory'],
  [300_000, 'mandatory'],
  [1, 'mandatory'],
  [0, 'expired'],
  [-1, 'expired'],
])('a token of an hour with %d ms to go is %s', (left, expected) => {
  expect(freshness({ expiresAt: left, lifetime: 3_600_000 }, undefined, 0)).toBe(expected)
})

describe('the backoff', () => {
  const caps = { fresh: 5 * minute, advisory: 5 * minute, mandatory: minute, expired: 30 * minute }

  test('lies between a quarter of a second and its cap, however many failures there were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), near, drawn, (failures, freshnessNow, random) => {
        const wait = backoff(failures, freshnessNow, () => random)
        expect(wait).toBeGreaterThanOrEqual(250)
        expect(wait).toBeLessThanOrEqual(Math.min(caps[freshnessNow], 1000 * 2 ** Math.min(failures, 30)))
      }),
    )
  })

  test('grows twofold from two seconds to its cap', () => {
    const highest = (failures: number, freshnessNow: Freshness) => backoff(failures, freshnessNow, () => 1)
    expect([1, 2, 3, 8, 9, 40].map((failures) => highest(failures, 'fresh'))).toEqual([
      2000, 4000, 8000, 256_000, 300_000, 300_000,
    ])
    expect(highest(40, 'mandatory')).toBe(minute)
    expect(highest(40, 'expired')).toBe(30 * minute)
  })

  test('is at least what the provider asked for, at most a fifth more, and never more than 72 minutes of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        near,
        drawn,
        fc.integer({ min: 0, max: 2 ** 31 }),
        (failures, freshnessNow, random, retryAfter) => {
          const wait = backoff(failures, freshnessNow, () => random, retryAfter)
          const asked = Math.min(retryAfter * 1000, 60 * minute)
          expect(wait).toBeGreaterThanOrEqual(asked)
          expect(wait).toBeLessThanOrEqual(Math.max(asked * 1.2, caps[freshnessNow]))
        },
      ),
    )
  })

  // F13
  test.each([
    ['seconds', '120', 120],
    ['a date, read against the answer’s own', 'Fri, 15 Jan 2027 08:02:00 GMT', 120],
    ['a date of the past', 'Fri, 15 Jan 2027 07:00:00 GMT', 0],
    ['a thousand million seconds', '1000000000', 3600],
    ['a date far ahead', 'Fri, 15 Jan 2100 08:00:00 GMT', 3600],
    ['nothing that can be read', 'soon', 0],
    ['less than nothing', '-5', 0],
  ])('obeys Retry-After given as %s', (_, asked, seconds) => {
    const headers = { 'retry-after': asked, date: 'Fri, 15 Jan 2027 08:00:00 GMT' }
    // This machine's clock is a day behind, which must not matter.
    const parsed = retryAfter(headers, Date.UTC(2027, 0, 14, 8))
    const wait = (random: number) => backoff(1, 'mandatory', () => random, parsed)
    expect(wait(0)).toBe(Math.max(seconds * 1000, 250))
    expect(wait(1)).toBe(Math.max(seconds * 1200, 2000))
  })
})
