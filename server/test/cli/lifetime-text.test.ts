import { Writable } from 'node:stream'
import { type GrantSummary, systemClock } from 'evertoken'
import { expect, test } from 'vitest'
import { summaryBody } from '../../src/broker/grant-summary.ts'
import { grantFromJson } from '../../src/cli/grant-json.ts'
import { GrantText } from '../../src/cli/grant-text.ts'

const at = Date.parse('2026-11-26T01:00:00Z')

const summary: GrantSummary = {
  id: 'work',
  state: 'active',
  grantType: 'refresh_token',
  provider: 'provider.example',
  labels: {},
  createdAt: at,
  updatedAt: at,
  freshness: 'fresh',
  generation: 1,
  scope: [],
  failures: 0,
  unresolved: false,
  otherTokens: 0,
  replayClass: 'strict',
  candidates: 0,
  notices: [],
}

const lifetimeLine = (change: Partial<GrantSummary>): string | undefined =>
  new GrantText({ stdout: new Writable(), clock: systemClock })
    .details({ ...summary, ...change })
    .split('\n')
    .find((line) => line.startsWith('lifetime'))

test.each<[Partial<GrantSummary>, string | undefined]>([
  [{ lifetimeFrom: 'stated' }, undefined],
  [{ lifetimeFrom: 'assumed' }, 'assumed: the provider does not state it'],
  [{ lifetimeFrom: 'assumed', lifetimeReason: 'nothing at /ends' }, 'assumed: nothing at /ends'],
])('a grant with %j is shown with its lifetime as %j', (change, words) => {
  expect(lifetimeLine(change)?.replace(/^lifetime +/, '')).toBe(words)
})

test('why it was assumed comes through a broker as it was', () => {
  const why = { lifetimeFrom: 'assumed', lifetimeReason: 'nothing at /ends' } as const
  const body = summaryBody({ ...summary, ...why })
  expect(body).toMatchObject({ lifetime_from: 'assumed', lifetime_reason: 'nothing at /ends' })
  expect(grantFromJson(body)).toMatchObject(why)
})
