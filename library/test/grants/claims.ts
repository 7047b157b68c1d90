import { type Claim, type Claimant, claim, type Why } from '../../src/grants/claim.ts'
import { type GrantRecord, ownToken } from '../../src/grants/grant.ts'
import type { Change } from '../../src/grants/store.ts'
import { defaultTiming as timing } from '../../src/grants/timing.ts'
import { moment, utc } from './records.ts'

export const scoped = { scope: 'read', resource: '' }
export const due: Why = { kind: 'due' }
export const manual: Why = { kind: 'manual', key: ownToken }
export const wanted = (generation: number): Why => ({ kind: 'wanted', key: ownToken, generation })
export const rejected = (generation: number): Why => ({ kind: 'rejected', key: ownToken, generation })

/** Asks for a claim as one owner among others. */
export const claimed = (
  record: GrantRecord | undefined,
  why: Why,
  at = moment(),
  by: Partial<Claimant> = {},
): Change<Claim> =>
  claim(record, why, { owner: 'owner-1', attemptId: 'attempt-1', spool: 'spool-1', utc, timing, ...by }, at)
