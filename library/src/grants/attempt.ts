import {
  type Attempt,
  dueAt,
  findToken,
  type GrantRecord,
  type GrantStatus,
  type HeldRefreshToken,
  type LastError,
  noRefreshToken,
  ownFreshness,
  parentOf,
  refreshes,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import type { Failure, Outcome } from './outcome.ts'
import { backoff } from './schedule.ts'
import type { Change, Moment } from './store.ts'
import type { Timing } from './timing.ts'

/*
 * The life of one attempt to refresh, as pure steps on a record. Each step is one transaction of the store:
 *
 *   claim (claim.ts) ──> markSent ──> (the request) ──> commit, or settle
 *
 * Between them the process may die, stall or be overtaken; each step judges the row it finds, not what it remembers.
 */

/** Who leaves holds nothing any more; nothing else of the row is touched. */
const withoutLease = (record: GrantRecord | undefined, attempt: Attempt): Pick<Change<never>, 'record'> =>
  record?.lease === undefined || record.fence !== attempt.fence
    ? {}
    : { record: { ...record, lease: undefined } }

/** A claim is given back with nothing sent: the next may begin at once. */
export function release(
  record: GrantRecord | undefined,
  attempt: Attempt,
  { time }: Moment,
): Change<undefined> {
  const { record: free } = withoutLease(record, attempt)
  if (free === undefined || free === null) return { result: undefined }
  const attempts = free.attempts.filter((open) => open.id !== attempt.id)
  const schedule = { ...free.schedule, dueAt: refreshes(free.status) ? time.at : null }
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

/** What an answer brought, sealed, ready to be written. */
export interface Answered {
  readonly token: Omit<TokenRow, 'generation' | 'fence'>
  /** Absent when the provider sent none, or the same one again. */
  readonly refreshToken?: HeldRefreshToken | undefined
}

/** Milliseconds between two successes: a provider whose tokens come expired is not asked without pause. */
const shortestRest = 250

const receives = (status: GrantStatus): boolean =>
  status.state !== 'pending' && status.state !== 'quarantined'

/**
 * T2: the answer becomes the grant's. It is judged by the refresh token it was bought with, not by the fence: an
 * answer that comes late is still the only one the provider will give. Null when it belongs to a past the row has
 * left behind (another consent, another definition).
 */
export function commit(
  record: GrantRecord | undefined,
  attempt: Attempt,
  answered: Answered,
  utc: number,
  { time }: Moment,
): Change<GrantRecord | null> {
  const unwanted = { result: null, ...withoutLease(record, attempt) }
  if (record === undefined || !receives(record.status) || parentOf(record) !== attempt.parent) return unwanted
  if (attempt.parent === noRefreshToken && !record.attempts.some((open) => open.id === attempt.id))
    return unwanted
  const present = findToken(record, answered.token)
  if (answered.refreshToken === undefined && present !== undefined && present.fence >= attempt.fence)
    return unwanted

  const token: TokenRow = {
    ...answered.token,
    generation: (present?.generation ?? 0) + 1,
    fence: attempt.fence,
  }
  const paused = record.status.state === 'paused'
  const next: GrantRecord = {
    ...record,
    status: paused ? record.status : { state: 'active' },
    fence: record.fence + 1,
    lease: undefined,
    refreshToken: answered.refreshToken ?? record.refreshToken,
    previousRefreshToken:
      answered.refreshToken === undefined ? record.previousRefreshToken : record.refreshToken,
    tokens: [...record.tokens.filter((other) => other !== present), token],
    attempts: record.attempts.filter((open) => open.parent !== attempt.parent),
  }
  const committed: GrantRecord = {
    ...next,
    schedule: {
      ...record.schedule,
      dueAt: paused ? null : Math.max(dueAt(next, utc, time.at), time.at + shortestRest),
      backoffUntil: 0,
      failures: 0,
      lastError: undefined,
      lastSuccessAt: utc,
    },
  }
  return { result: committed, record: committed }
}

const lastErrorOf = (failure: Failure, utc: number): LastError => ({
  code: failure.code,
  message: failure.message,
  at: utc,
  error: failure.error,
  status: failure.status,
})

/** A refusal becomes certainty only when it is repeated: providers have had hours in which they refused everybody. */
function afterRejection(
  status: GrantStatus,
  person: boolean,
  failure: Failure,
  utc: number,
  now: number,
  timing: Timing,
): { status: GrantStatus; next: number | null } {
  // Refusals close together are one opinion: somebody refreshing by hand does not make it certain any sooner.
  if (status.state === 'suspect' && now < status.countsFrom && !person)
    return { status, next: status.countsFrom }
  const refusals = status.state === 'suspect' ? status.refusals + 1 : 1
  const after = timing.confirmations[refusals - 1]
  if (person || after === undefined)
    return {
      status: { state: 'reauthorization_required', reason: failure.message, since: utc },
      next: null,
    }
  const countsFrom = now + after
  return { status: { state: 'suspect', refusals, countsFrom }, next: countsFrom }
}

/** An attempt that brought no token is judged and its failure stored. */
export function settle(
  record: GrantRecord | undefined,
  attempt: Attempt,
  outcome: Exclude<Outcome, { verdict: 'ok' }>,
  key: TokenKey,
  by: { readonly utc: number; readonly timing: Timing; readonly random: () => number },
  { time }: Moment,
): Change<GrantRecord | undefined> {
  if (record === undefined) return { result: undefined }
  if (!record.attempts.some((open) => open.id === attempt.id)) {
    // Somebody else's verdict cleared it meanwhile.
    const { record: free } = withoutLease(record, attempt)
    return { result: free ?? record, record: free }
  }
  const mine = record.fence === attempt.fence
  const lease = mine ? undefined : record.lease
  const others = record.attempts.filter((open) => open.id !== attempt.id)
  const { failure, verdict } = outcome

  // What is said of a refresh token that the grant no longer holds says nothing about the grant.
  if (parentOf(record) !== attempt.parent) {
    const next = { ...record, lease, attempts: others }
    return { result: next, record: next }
  }

  // A scope that one reader asked for says nothing about the grant.
  if (failure.code === 'invalid_scope' && (key.scope !== '' || key.resource !== '')) {
    const due = refreshes(record.status) ? dueAt(record, by.utc, time.at) : null
    const next = { ...record, lease, attempts: others, schedule: { ...record.schedule, dueAt: due } }
    return { result: next, record: next }
  }

  const failures = record.schedule.failures + 1
  const near = ownFreshness(record, by.utc)
  const wait = backoff(failures, near, by.random, failure.retryAfter)
  const failed = {
    ...record,
    lease,
    attempts: others,
    schedule: {
      ...record.schedule,
      failures,
      lastError: lastErrorOf(failure, by.utc),
      backoffUntil: time.at + wait,
      dueAt: refreshes(record.status) ? time.at + wait : null,
    },
  }
  const next = judged()
  return { result: next, record: next }

  function judged(): GrantRecord {
    switch (verdict) {
      case 'not_sent':
      case 'refused':
        return failed
      case 'rejected': {
        if (!refreshes(failed.status)) return failed
        const person = outcome.verdict === 'rejected' && outcome.person
        const { status, next: again } = afterRejection(
          failed.status,
          person,
          failure,
          by.utc,
          time.at,
          by.timing,
        )
        return {
          ...failed,
          status,
          // Without a refresh token each request stands for itself, and one under way may still succeed.
          attempts:
            attempt.parent === noRefreshToken
              ? others
              : others.filter((open) => open.parent !== attempt.parent),
          schedule: {
            ...failed.schedule,
            dueAt: again,
            backoffUntil: again ?? 0,
          },
        }
      }
      case 'ambiguous':
        if (failed.replayClass !== 'strict') return failed
        return {
          ...failed,
          attempts: [...others, { ...attempt, sentAt: attempt.sentAt ?? time.at, localDone: true }],
        }
      default:
        return verdict satisfies never
    }
  }
}
