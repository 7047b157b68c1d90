import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ageNotices, type Dated, dueIn, keepAliveAt, refreshTokenEnd } from '../../src/grants/due.ts'
import { spread, untilDue } from '../../src/grants/schedule.ts'

const utc = 1_800_000_000_000
const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

type Token = Dated['tokens'][number]

/** An access token of an hour that was obtained just now. */
const token = (change: Partial<Token> = {}): Token => ({
  scope: '',
  resource: '',
  generation: 1,
  obtainedAt: utc,
  expiresAt: utc + hour,
  lifetime: hour,
  ...change,
})

/** A login of just now with a token of an hour. */
const login = (change: Partial<Dated> = {}, facts: Partial<Dated['facts']> = {}): Dated => ({
  id: 'billing',
  facts: { refresh: 'ahead', oldTokenDies: false, ...facts },
  loginAt: utc,
  refreshToken: { receivedAt: utc },
  schedule: { lastSuccessAt: utc },
  tokens: [token()],
  ...change,
})

/** What remains of a pause after the tenth that keeps grants apart. */
const early = (pause: number): number => pause * (1 - 0.1 * spread('billing'))
const close = (value: number | null): number => Math.round(value ?? Number.NaN)

describe('a grant is due', () => {
  test('when its own token is, and at once while it has none', () => {
    expect(dueIn(login(), utc)).toBe(untilDue(token(), { id: 'billing' }, utc))
    expect(dueIn(login({ tokens: [] }), utc)).toBe(0)
    expect(dueIn(login({ tokens: [token({ scope: 'read' })] }), utc)).toBe(0)
    expect(dueIn(login(), utc + 2 * hour)).toBe(0)
  })

  test('only in the mandatory window where the old token dies, unless it is told otherwise', () => {
    const dies = dueIn(login({}, { oldTokenDies: true }), utc) ?? 0
    expect(dies).toBeLessThanOrEqual(55 * minute)
    expect(dies).toBeGreaterThanOrEqual(hour - 1.25 * 5 * minute)
    const told = dueIn(login({ refreshBefore: 20 * minute }, { oldTokenDies: true }), utc)
    expect(told).toBe(dueIn(login({ refreshBefore: 20 * minute }), utc))
  })

  test('before its refresh token dies of idleness, though its access token lives for a year', () => {
    const tokens = [token({ expiresAt: utc + 365 * day, lifetime: 365 * day })]
    expect(close(dueIn(login({ tokens }), utc))).toBe(close(early(7 * day)))
    expect(close(dueIn(login({ tokens }, { refreshTokenIdle: 30 * day }), utc))).toBe(close(early(10 * day)))
  })

  test('on demand only to keep its refresh token alive, and never where it has none', () => {
    expect(close(dueIn(login({}, { refresh: 'on_demand' }), utc))).toBe(close(early(7 * day)))
    expect(close(dueIn(login({ tokens: [] }, { refresh: 'on_demand' }), utc + day))).toBe(
      close(early(7 * day) - day),
    )
    expect(dueIn(login({ refreshToken: undefined }, { refresh: 'on_demand' }), utc)).toBeNull()
  })

  test('on demand also when a notice of its end is to be said', () => {
    const record = login(
      { schedule: { lastSuccessAt: utc } },
      { refresh: 'on_demand', refreshTokenLifetime: 9 * day },
    )
    expect(dueIn(record, utc)).toBe(2 * day)
  })

  test('never before now', () => {
    const times = fc.integer({ min: -400 * day, max: 400 * day })
    fc.assert(
      fc.property(
        fc.record({ idle: fc.option(times), life: fc.option(times), stated: fc.option(times) }),
        times,
        times,
        fc.boolean(),
        ({ idle, life, stated }, used, now, ahead) => {
          const record = login(
            {
              schedule: { lastSuccessAt: utc + used },
              refreshTokenExpiresAt: stated === null ? undefined : utc + stated,
            },
            {
              refresh: ahead ? 'ahead' : 'on_demand',
              refreshTokenIdle: idle === null ? undefined : Math.abs(idle) + 1,
              refreshTokenLifetime: life === null ? undefined : Math.abs(life) + 1,
            },
          )
          expect(dueIn(record, utc + now)).toBeGreaterThanOrEqual(0)
        },
      ),
    )
  })
})

describe('a provider that gives the same token again', () => {
  const again = (left: number): number | null => {
    const expiresAt = utc + left
    const before = login({ tokens: [token({ expiresAt: expiresAt + 400, obtainedAt: utc - hour + left })] })
    const after = login({ tokens: [token({ generation: 2, expiresAt, lifetime: left })] })
    return dueIn(after, utc, before)
  }

  test.each([
    ['half of the twenty minutes that are left', 20 * minute, 10 * minute],
    ['half a minute when that is more', 50 * second, 30 * second],
    ['the expiry when that comes sooner', 20 * second, 20 * second],
  ])('is asked again after %s', (_, left, wait) => {
    expect(again(left)).toBe(wait)
  })

  test('is not mistaken for one whose tokens live shortly', () => {
    const before = login({ tokens: [token({ lifetime: 2 * second, expiresAt: utc + second })] })
    const own = token({ generation: 2, lifetime: 2 * second, expiresAt: utc + 2 * second })
    expect(dueIn(login({ tokens: [own] }), utc, before)).toBe(untilDue(own, { id: 'billing' }, utc))
  })

  test('is not seen in a refresh of another scope', () => {
    const before = login()
    const after = login({ tokens: [token(), token({ scope: 'read' })] })
    expect(dueIn(after, utc, before)).toBe(dueIn(before, utc))
  })
})

describe('a refresh token is used', () => {
  test('a third of its idle limit after its last use, whatever it was used for', () => {
    const facts = { refreshTokenIdle: 30 * day }
    expect(close((keepAliveAt(login({}, facts)) ?? 0) - utc)).toBe(close(early(10 * day)))
    const later = login({ tokens: [token(), token({ scope: 'read', obtainedAt: utc + day })] }, facts)
    expect(close((keepAliveAt(later) ?? 0) - utc)).toBe(close(day + early(10 * day)))
    expect(keepAliveAt(login({ refreshToken: undefined }, facts))).toBeUndefined()
  })

  test('a third of the way to the expiry that its provider states anew each time', () => {
    const record = login({ refreshTokenExpiresAt: utc + 30 * minute })
    expect(close((keepAliveAt(record) ?? 0) - utc)).toBe(close(early(10 * minute)))
  })

  test('no more often for an expiry that no use moves', () => {
    const record = login({ refreshTokenExpiresAt: utc + 30 * minute })
    const before = login({ refreshTokenExpiresAt: utc + 30 * minute + 900 })
    expect(close((keepAliveAt(record, before) ?? 0) - utc)).toBe(close(early(7 * day)))
  })

  test('some two dozen times at most in the last day before an end that it could not know for one', () => {
    const end = utc + day
    let now = utc
    let uses = 0
    while (end - now > second && uses < 1000) {
      const record = login({
        refreshTokenExpiresAt: end,
        schedule: { lastSuccessAt: now },
        refreshToken: { receivedAt: now },
      })
      now = keepAliveAt(record) ?? end
      uses += 1
    }
    expect(uses).toBeLessThan(36)
  })
})

describe('the end of a refresh token by age', () => {
  test('is counted from the login, or is the stated one when the last answer did not move it', () => {
    const facts = { refreshTokenLifetime: 90 * day }
    expect(refreshTokenEnd(login({}, facts))).toBe(utc + 90 * day)
    const stated = login({ refreshTokenExpiresAt: utc + 10 * day })
    expect(refreshTokenEnd(stated)).toBeUndefined()
    expect(refreshTokenEnd(stated, login({ refreshTokenExpiresAt: utc + 10 * day }))).toBe(utc + 10 * day)
    expect(refreshTokenEnd(stated, login({ refreshTokenExpiresAt: utc + 9 * day }))).toBeUndefined()
    expect(refreshTokenEnd(login({ refreshToken: undefined }, facts))).toBeUndefined()
  })

  test.each<[number, ReturnType<typeof ageNotices>['due'], number | undefined]>([
    [31, undefined, 30],
    [30, 'refresh_token_expires_30d', 7],
    [8, 'refresh_token_expires_30d', 7],
    [7, 'refresh_token_expires_7d', 1],
    [1, 'refresh_token_expires_1d', undefined],
    [0.1, 'refresh_token_expires_1d', undefined],
    [0, undefined, undefined],
    [-5, undefined, undefined],
  ])('in %d days: %s is due, and the next is said %s days before', (days, due, next) => {
    const end = utc + days * day
    expect(ageNotices(end, utc)).toEqual({ due, next: next === undefined ? undefined : end - next * day })
  })
})
