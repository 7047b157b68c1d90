import { expect, test } from 'vitest'
import type { GrantRecord } from '../../src/grants/grant.ts'
import { noToken } from '../../src/grants/no-token.ts'
import { attempt, grantRecord } from './records.ts'

const now = 1_000_000
const schedule = (change: Partial<GrantRecord['schedule']> = {}) => ({
  dueAt: now,
  backoffUntil: 0,
  failures: 0,
  ...change,
})
const told = (change: Partial<GrantRecord>, opens?: number) =>
  noToken(grantRecord({ id: 'work', ...change }), now, opens)

test('a failure that is stored is the reason, with the time of the next try', () => {
  const lastError = { code: 'provider_unreachable', message: 'no answer', at: 0 } as const
  const error = told({ schedule: schedule({ lastError, backoffUntil: now + 2_500 }) }, now + 9_000)
  expect(error).toMatchObject({
    code: 'provider_unreachable',
    message: 'grant work: no answer; next try in 3 s',
    retryAfter: 3,
  })
})

test('a send without an answer is the reason where nothing may be sent before it is settled', () => {
  expect(
    told({ schedule: schedule(), attempts: [attempt({ sentAt: now - 5_000 })] }, now + 60_000),
  ).toMatchObject({
    code: 'token_unavailable',
    message:
      'grant work: an earlier refresh is still without an answer, and sending it again now could end the login; next try in 60 s',
    retryAfter: 60,
  })
})

test('else it is the provider that is left alone, or who is at it and slow', () => {
  const alone = told({ schedule: schedule() }, now + 4_001)
  expect(alone.message).toMatch(/^grant work: nothing is sent to its provider now, .*; next try in 5 s$/)
  const slow = told({ schedule: schedule() })
  expect(slow.message).toBe('grant work: no token in time; another process is at it, or the provider is slow')
  for (const { code, advice } of [alone, slow]) {
    expect(code).toBe('token_unavailable')
    expect(advice).toContain('work')
  }
})
