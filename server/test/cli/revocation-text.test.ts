import type { GrantSummary } from 'evertoken'
import { expect, test } from 'vitest'
import { summaryBody } from '../../src/broker/grant-summary.ts'
import { removalBody } from '../../src/broker/revocation.ts'
import { grantFromJson, revocationFromJson } from '../../src/cli/grant-json.ts'
import { toldLines } from '../../src/cli/revocation-text.ts'

const at = Date.parse('2026-11-26T01:00:00Z')

test('what became of each token is said in words, with the time of the next try', () => {
  const told = {
    refreshToken: { outcome: 'revoked', at },
    accessToken: { outcome: 'pending', at, why: 'status 503' },
  } as const
  expect(toldLines({ told, nextAttemptAt: at + 90_000 }, at)).toEqual([
    ['refresh token', 'revoked'],
    ['access token', 'not revoked yet (status 503); told again in 1 m 30 s'],
  ])
})

test.each([
  ['unsupported', undefined, 'the provider cannot revoke it; it lives until it expires'],
  ['failed', 'invalid_client', 'not revoked (invalid_client)'],
] as const)('%s has words of its own', (outcome, why, words) => {
  expect(toldLines({ told: { accessToken: { outcome, at, why } }, nextAttemptAt: undefined }, at)).toEqual([
    ['access token', words],
  ])
})

test('it comes through a broker as it was', () => {
  const summary: GrantSummary = {
    id: 'work',
    state: 'revoking',
    grantType: 'refresh_token',
    provider: 'provider.example',
    labels: {},
    createdAt: at,
    updatedAt: at,
    freshness: 'none',
    generation: 0,
    scope: [],
    failures: 1,
    unresolved: false,
    otherTokens: 0,
    replayClass: 'strict',
    candidates: 0,
    notices: [],
    told: { refreshToken: { outcome: 'pending', at, why: 'no answer' }, accessToken: undefined },
  }
  expect(grantFromJson(summaryBody(summary)).told).toEqual(summary.told)
})

test('so does what became of a grant that is removed', () => {
  const told = {
    refreshToken: { outcome: 'revoked', at },
    accessToken: { outcome: 'failed', at, why: 'x' },
  } as const
  for (const revocation of [
    undefined,
    { upstream: 'revoked', told },
    { upstream: 'unsupported', told: undefined },
  ] as const)
    expect(revocationFromJson(removalBody('work', revocation))).toEqual(revocation)
})
