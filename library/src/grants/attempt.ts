import type { Attempt } from './grant.ts'
import { type GrantRecord, type HeldRefreshToken, parentOf, refreshes, type TokenRow } from './grant.ts'
import type { Change, Moment } from './store.ts'

/*
 * The life of one attempt to refresh, as pure steps on a record. Each step is one transaction of the store:
 *
 *   claim (claim.ts) ──> [probe] ──> markSent ──> (the request) ──> spool ──> commit (commit.ts), or settle (settle.ts)
 *
 * Between them the process may die, stall or be overtaken; each step judges the row it finds, not what it remembers.
 */

/** What an answer brought, sealed, ready to be written. */
export interface Answered {
  /** Absent when the answer held a refresh token and no access token that is one. */
  readonly token?: Omit<TokenRow, 'generation' | 'fence'> | undefined
  /** Absent when the provider sent none, or the same one again. */
  readonly refreshToken?: HeldRefreshToken | undefined
  /** Keyed hash of the subject that the answer names; absent where the answer is not of this login's issuer and client. */
  readonly subject?: string | undefined
  /** The claim of its id_token that says so. */
  readonly foreign?: 'iss' | 'aud' | undefined
  /** UTC ms at which the refresh token dies by age, where the answer says so. */
  readonly refreshTokenExpiresAt?: number | undefined
}

/** Who leaves holds nothing any more; nothing else of the row is touched. */
export const withoutLease = (
  record: GrantRecord | undefined,
  attempt: Attempt,
): Pick<Change<never>, 'record'> =>
  record?.lease === undefined || record.fence !== attempt.fence
    ? {}
    : { record: { ...record, lease: undefined } }

/**
 * A claim is given back with nothing sent: the next may begin at store time `dueAt`, at once by default. Whoever has claimed
 * since keeps the lease and the schedule, and need not wait for an answer to what was never sent.
 */
export function release(
  record: GrantRecord | undefined,
  attempt: Attempt,
  { time }: Moment,
  dueAt: number = time.at,
): Change<undefined> {
  if (record === undefined) return { result: undefined }
  const attempts = record.attempts.filter((open) => open.id !== attempt.id)
  const { record: free } = withoutLease(record, attempt)
  if (free === undefined || free === null)
    return attempts.length === record.attempts.length
      ? { result: undefined }
      : { result: undefined, record: { ...record, attempts } }
  const schedule = { ...free.schedule, dueAt: refreshes(free.status) ? dueAt : null }
  return { result: undefined, record: { ...free, attempts, schedule } }
}

/** T1b: false, and nothing may be sent, when the claim is no longer ours or its time has run out. */
export function markSent(
  record: GrantRecord | undefined,
  attempt: Attempt,
  { time }: Moment,
): Change<boolean> {
  if (record === undefined || record.fence !== attempt.fence || parentOf(record) !== attempt.parent)
    return { result: false }
  const { lease } = record
  if (lease?.owner !== attempt.owner || lease.boot !== time.boot || lease.until <= time.at)
    return { result: false }
  const attempts = record.attempts.map((open) =>
    open.id === attempt.id ? { ...open, sentAt: time.at, boot: time.boot } : open,
  )
  return { result: true, record: { ...record, attempts } }
}
