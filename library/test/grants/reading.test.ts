import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type GrantRecord, type GrantState, ownToken } from '../../src/grants/grant.ts'
import { readingOf } from '../../src/grants/reading.ts'
import { facts, grantRecord, lease, statuses, tokenRow, tokenWith, utc } from './records.ts'

const minute = 60_000
const hour = 60 * minute
const refused = {
  pending: 'grant_pending',
  paused: 'grant_paused',
  quarantined: 'grant_quarantined',
  revoking: 'grant_revoked',
  revoked: 'grant_revoked',
} as const

/** What a reader of a one-hour token with `left` ms to go gets; `none` for a grant without a token. */
function reading(state: GrantState, left: number | 'none', minTtl = 0) {
  const tokens = left === 'none' ? [] : [tokenWith(left)]
  const got = readingOf(grantRecord({ status: statuses[state], tokens }), ownToken, minTtl, utc)
  switch (got.kind) {
    case 'serve':
      return `serve${got.stale ? ' stale' : ''}${got.soon ? ' soon' : ''}`
    case 'renew':
      return got.row === undefined ? 'wait' : 'wait or stale'
    case 'refuse':
      return got.error.code
    default:
      return got satisfies never
  }
}

describe.each(['active', 'suspect'] as const)('a reader of a grant that is %s', (state) => {
  test.each<[string, number | 'none', number, string]>([
    ['fresh', hour, 0, 'serve'],
    ['just fresh', 12 * minute + 1, 0, 'serve'],
    ['in its advisory window', 12 * minute, 0, 'serve soon'],
    ['just before its mandatory window', 5 * minute + 1, 0, 'serve soon'],
    ['in its mandatory window', 5 * minute, 0, 'wait or stale'],
    ['in its last millisecond', 1, 0, 'wait or stale'],
    ['expired', 0, 0, 'wait'],
    ['long expired', -hour, 0, 'wait'],
    ['missing', 'none', 0, 'wait'],
    ['living longer than minTtl', 20 * minute, 15 * minute, 'serve'],
    ['living as long as minTtl', 20 * minute, 20 * minute, 'wait or stale'],
    ['living less than minTtl', 20 * minute, 25 * minute, 'wait or stale'],
    ['in the first half of its life, whatever is asked', 31 * minute, 2 * hour, 'serve stale'],
    ['in the second half of its life', 30 * minute, 2 * hour, 'wait or stale'],
    ['missing, with minTtl', 'none', 15 * minute, 'wait'],
  ])('whose token is %s', (_name, left, minTtl, expected) => {
    expect(reading(state, left, minTtl)).toBe(expected)
  })
})

test.each<[number | 'none', number, string]>([
  [hour, 0, 'serve'],
  [minute, 0, 'serve'],
  [minute, 2 * minute, 'serve stale'],
  [1, 0, 'serve'],
  [0, 0, 'reauthorization_required'],
  ['none', 0, 'reauthorization_required'],
])('a grant that needs a person, with %s ms left and minTtl %d, gives: %s', (left, minTtl, expected) => {
  expect(reading('reauthorization_required', left, minTtl)).toBe(expected)
})

test('pending, paused, quarantined and revoked grants give nothing, whatever token they hold, and say what to do', () => {
  for (const [state, code] of Object.entries(refused))
    for (const left of [hour, minute, 0, 'none'] as const) {
      expect(reading(state as GrantState, left)).toBe(code)
      const tokens = left === 'none' ? [] : [tokenWith(left)]
      const record = grantRecord({ status: statuses[state as GrantState], tokens })
      const got = readingOf(record, ownToken, 0, utc)
      expect(got.kind === 'refuse' && got.error.advice).toMatch(/\w{5}/)
    }
})

test('a token that dies when it is replaced is not given out once somebody has begun to replace it', () => {
  const dies = facts('strict', { oldTokenDies: true })
  const held = { tokens: [tokenRow()], lease: lease() }
  const kindOf = (change: Partial<GrantRecord>) => readingOf(grantRecord(change), ownToken, 0, utc).kind
  expect(kindOf({ ...held, facts: dies })).toBe('renew')
  expect(kindOf({ ...held, facts: dies, lease: undefined })).toBe('serve')
  expect(kindOf(held)).toBe('serve')
})

test('no reader gets an expired token, and none is refused one that lives', () => {
  const state = fc.constantFrom(...(Object.keys(statuses) as GrantState[]))
  const life = fc.integer({ min: 1, max: 100 * 24 * hour })
  const minTtl = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 24 * hour }))
  fc.assert(
    fc.property(
      state,
      life,
      fc.integer({ min: -hour, max: 100 * 24 * hour }),
      minTtl,
      (at, lifetime, left, ttl) => {
        const row = tokenRow({ expiresAt: utc + left, lifetime })
        const got = readingOf(grantRecord({ status: statuses[at], tokens: [row] }), ownToken, ttl, utc)
        if (got.kind === 'serve') {
          expect(left).toBeGreaterThan(0)
          expect(got.row).toBe(row)
          expect(got.stale).toBe(left < ttl)
        }
        if (got.kind === 'renew') expect(got.row).toBe(left > 0 ? row : undefined)
        if (got.kind === 'refuse' && left > 0) expect(Object.keys(refused)).toContain(at)
        // A full-lived token is never made to wait for: every read would be a refresh.
        if (left > lifetime / 2) expect(got.kind).not.toBe('renew')
      },
    ),
  )
})

test('only the row of the scope and resource that was asked for counts', () => {
  const record = grantRecord({
    tokens: [tokenRow(), tokenRow({ scope: 'read', generation: 7, expiresAt: utc })],
  })
  const got = readingOf(record, { scope: 'read', resource: '' }, 0, utc)
  expect(got).toEqual({ kind: 'renew', generation: 7, row: undefined })
  expect(readingOf(record, { scope: 'write', resource: '' }, 0, utc)).toMatchObject({ generation: 0 })
})
