import { describe, expect, test } from 'vitest'
import { withExpiry } from '../../src/grants/asked-lifetime.ts'
import type { GrantRecord } from '../../src/grants/grant.ts'
import { practised } from './practised.ts'
import { lease, loginRecord, moment, storeNow, tokenRow, utc } from './records.ts'

const minute = 60_000
const hour = 60 * minute

describe('a new token whose lifetime the answer does not state', () => {
  const silent = { practice: { statesLifetime: false }, lifetime: 1200 }

  test('lives as long as introspection says', async () => {
    const { keeper, clock, server, run, service } = await practised(silent)
    const introspectionUrl = `${server.issuer}/introspect`
    await keeper.add('billing', service({ introspection: true, introspectionUrl }))
    const token = await run(keeper.getToken('billing'))
    expect(token.expiresAt).toBe(clock.now() + 20 * minute)
    expect(await keeper.show('billing')).toMatchObject({
      lifetimeFrom: 'introspection',
      expiresAt: token.expiresAt,
    })
    const { nextAttemptAt = 0 } = await keeper.show('billing')
    expect(nextAttemptAt).toBeLessThan(clock.now() + 20 * minute)
  })

  test('is not asked about where that is not said to be harmless, nor where a lifetime is given to assume', async () => {
    const { keeper, clock, server, run, service } = await practised(silent)
    const introspectionUrl = `${server.issuer}/introspect`
    await keeper.add('careful', service({ introspectionUrl }))
    expect((await run(keeper.getToken('careful'))).expiresAt).toBe(clock.now() + 55 * minute)
    await keeper.add('told', service({ introspection: true, introspectionUrl, assumedLifetime: 600 }))
    expect((await run(keeper.getToken('told'))).expiresAt).toBe(clock.now() + 10 * minute)
  })

  test('is good as it is when the provider does not answer', async () => {
    const { keeper, clock, server, run, service } = await practised(silent)
    const introspectionUrl = `${server.issuer}/nowhere`
    await keeper.add('billing', service({ introspection: true, introspectionUrl }))
    expect((await run(keeper.getToken('billing'))).expiresAt).toBe(clock.now() + 55 * minute)
    expect(await keeper.show('billing')).toMatchObject({
      state: 'active',
      failures: 0,
      lifetimeFrom: 'assumed',
    })
  })
})

describe('an expiry that was asked for', () => {
  const token = tokenRow({ lifetimeFrom: 'assumed', obtainedAt: utc })
  const record = (change: Partial<GrantRecord> = {}): GrantRecord =>
    loginRecord('strict', { tokens: [token], ...change })
  const expiring = (row: GrantRecord | undefined, at = utc + hour) =>
    withExpiry(row, token, at, utc, moment()).record as GrantRecord | undefined

  test('moves when the grant is due', () => {
    const next = expiring(record())
    expect(next?.tokens).toMatchObject([
      { generation: token.generation, expiresAt: utc + hour, lifetime: hour, lifetimeFrom: 'introspection' },
    ])
    expect(next?.schedule.dueAt).toBeGreaterThan(storeNow)
    expect(next?.schedule.dueAt).toBeLessThan(storeNow + hour)
  })

  test('leaves alone what somebody has claimed since, or what failed', () => {
    const schedule = { dueAt: storeNow + 5, backoffUntil: 0, failures: 0 }
    expect(expiring(record({ lease: lease(), schedule }))?.schedule.dueAt).toBe(storeNow + 5)
    expect(expiring(record({ schedule: { ...schedule, failures: 1 } }))?.schedule.dueAt).toBe(storeNow + 5)
  })

  test.each([
    [
      'of a token that was replaced',
      record({ tokens: [{ ...token, generation: token.generation + 1 }] }),
      utc + hour,
    ],
    ['of a grant that is gone', undefined, utc + hour],
    ['that is past', record(), utc],
    ['that is in milliseconds', record(), utc * 1000],
  ])('%s changes nothing', (_what, row, at) => {
    expect(expiring(row, at)).toBeUndefined()
  })
})
