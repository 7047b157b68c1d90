import { expect, test } from 'vitest'
import { commit } from '../../src/grants/commit.ts'
import { type GrantRecord, parentOf } from '../../src/grants/grant.ts'
import { defaultTiming } from '../../src/grants/timing.ts'
import {
  attempt,
  brought,
  facts,
  grantRecord,
  held,
  moment,
  storeNow,
  strictRecord,
  tokenRow,
  utc,
} from './records.ts'

const day = 86_400_000

/** The record after an answer of `at`, which brings another refresh token. */
function answered(record: GrantRecord, at: number, stated?: number): GrantRecord {
  const sent = attempt({ parent: parentOf(record), sentAt: storeNow })
  const next = commit(
    { ...record, attempts: [sent] },
    sent,
    {
      token: brought({ obtainedAt: at, expiresAt: at + 3_600_000 }),
      refreshToken: held(`refresh of ${at}`, { receivedAt: at }),
      refreshTokenExpiresAt: stated,
    },
    { utc: at, timing: defaultTiming },
    moment(),
  ).result
  if (next === null) throw new Error('it is for this grant')
  return next
}

const kinds = (record: GrantRecord): string[] => record.notices.map(({ kind }) => kind)

test('a login that dies by age is told of 30, 7 and 1 days before, once each, whatever refreshes lie between', () => {
  let record = strictRecord({ loginAt: utc, facts: facts('strict', { refreshTokenLifetime: 90 * day }) })
  const told: [number, string[]][] = []
  for (let days = 50; days < 90; days += 0.5) {
    const before = record.notices.length
    record = answered(record, utc + days * day)
    if (record.notices.length > before) told.push([90 - days, kinds(record).slice(before)])
  }
  expect(told).toEqual([
    [30, ['refresh_token_expires_30d']],
    [7, ['refresh_token_expires_7d']],
    [1, ['refresh_token_expires_1d']],
  ])
})

test('an expiry that the provider states counts once an answer has left it where it was', () => {
  const end = utc + 20 * day
  const first = answered(strictRecord(), utc, end)
  expect(kinds(first)).toEqual([])
  expect(kinds(answered(first, utc + day, end + 700))).toEqual(['refresh_token_expires_30d'])
})

test('an expiry that moves with every refresh alarms nobody', () => {
  let record = strictRecord()
  for (let hour = 0; hour < 48; hour++) {
    const at = utc + hour * 3_600_000
    record = answered(record, at, at + 30 * 60_000)
  }
  expect(kinds(record)).toEqual([])
})

test('a grant that is refreshed on demand and has nothing to keep alive is not due by itself', () => {
  const record = grantRecord({
    facts: facts('non_rotating', { refresh: 'on_demand' }),
    tokens: [tokenRow()],
    attempts: [attempt({ sentAt: storeNow })],
  })
  const next = commit(
    record,
    attempt(),
    { token: brought() },
    { utc, timing: defaultTiming },
    moment(),
  ).result
  expect(next?.schedule.dueAt).toBeNull()
  expect(next?.tokens[0]?.generation).toBe(2)
})

test('a provider that gives the same token again is asked at half of what is left of it', () => {
  const expiresAt = utc + 20 * 60_000
  const record = strictRecord({ tokens: [tokenRow({ expiresAt })] })
  const sent = attempt({ parent: parentOf(record), sentAt: storeNow })
  const next = commit(
    { ...record, attempts: [sent] },
    sent,
    { token: brought({ expiresAt, lifetime: 20 * 60_000 }), refreshToken: held('refresh-2') },
    { utc, timing: defaultTiming },
    moment(),
  ).result
  expect(next?.schedule).toMatchObject({ dueAt: storeNow + 10 * 60_000, failures: 0 })
})
