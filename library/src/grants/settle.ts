import { withoutLease } from './attempt.ts'
import {
  type Attempt,
  dueAt,
  type GrantRecord,
  type GrantStatus,
  type LastError,
  noRefreshToken,
  ownFreshness,
  parentOf,
  refreshes,
  type TokenKey,
} from './grant.ts'
import { notify } from './notice.ts'
import { type FailedOutcome, type Failure, isOfRequest } from './outcome.ts'
import { previousHelpsUntil, recoveryOf, replayUntil, unresolvedOf } from './recovery.ts'
import { backoff } from './schedule.ts'
import { sibling, withPrevious } from './siblings.ts'
import type { Change, Moment } from './store.ts'
import { effectiveClass, limitsOf, type Timing } from './timing.ts'

export interface Settler {
  /** UTC ms. */
  readonly utc: number
  readonly timing: Timing
  readonly random: () => number
  /** The provider refuses everybody at present: a refusal says nothing about this grant. */
  readonly incident: boolean
  /** The sender listens on after its deadline: an answer may still come. */
  readonly listening?: boolean | undefined
}

/** An attempt that brought no token is judged and its failure stored. */
export function settle(
  record: GrantRecord | undefined,
  attempt: Attempt,
  outcome: FailedOutcome,
  key: TokenKey,
  by: Settler,
  moment: Moment,
): Change<GrantRecord | undefined> {
  if (record === undefined) return { result: undefined }
  const row = record.attempts.find((open) => open.id === attempt.id)
  if (row === undefined) {
    // Somebody else's verdict cleared it meanwhile.
    const { record: free } = withoutLease(record, attempt)
    return { result: free ?? record, record: free }
  }
  const lease = record.fence === attempt.fence ? undefined : record.lease
  const others = record.attempts.filter((open) => open.id !== attempt.id)
  const base: GrantRecord = { ...record, lease, attempts: others }

  // What is said of a refresh token that the grant no longer holds says nothing about the grant, nor what is said of a
  // login that is over: its schedule is that of telling the provider.
  const { state } = record.status
  if (parentOf(record) !== attempt.parent || state === 'revoking' || state === 'revoked') return written(base)

  // A scope or resource that one reader asked for says nothing about the grant.
  if (isOfRequest(outcome.failure.code, key)) {
    const due = refreshes(record.status) ? dueAt(record, by.utc, moment.time.at) : null
    return written({ ...base, schedule: { ...record.schedule, dueAt: due } })
  }

  const failed = withFailure(base, outcome.failure, by, moment)
  switch (outcome.verdict) {
    case 'not_sent':
    case 'refused':
      return written(whileWindowLasts(failed, by, moment))
    case 'rejected':
      return written(
        by.incident && !outcome.person
          ? whileWindowLasts(failed, by, moment)
          : rejected(failed, attempt, outcome, by, moment),
      )
    case 'ambiguous':
      return written(ambiguous(failed, row, outcome, by, moment))
    default:
      return outcome satisfies never
  }
}

const written = (record: GrantRecord): Change<GrantRecord> => ({ result: record, record })

const lastErrorOf = (failure: Failure, utc: number): LastError => ({
  code: failure.code,
  message: failure.message,
  at: utc,
  error: failure.error,
  ...(failure.errorDescription === undefined ? {} : { errorDescription: failure.errorDescription }),
  status: failure.status,
})

function withFailure(
  record: GrantRecord,
  failure: Failure,
  { utc, random }: Settler,
  { time }: Moment,
): GrantRecord {
  const failures = record.schedule.failures + 1
  const wait = backoff(failures, ownFreshness(record, utc), random, failure.retryAfter)
  return {
    ...record,
    schedule: {
      ...record.schedule,
      failures,
      lastError: lastErrorOf(failure, utc),
      backoffUntil: time.at + wait,
      dueAt: refreshes(record.status) ? time.at + wait : null,
    },
  }
}

/** Nobody knows whether the refresh token is spent: the attempt stays, and its class says when the grant is due again. */
function ambiguous(
  failed: GrantRecord,
  attempt: Attempt,
  { failure }: FailedOutcome,
  by: Settler,
  moment: Moment,
): GrantRecord {
  const { facts } = failed
  const replayClass = effectiveClass(facts, by.timing)
  if (replayClass === 'non_rotating') return failed
  const localDone = by.listening !== true
  const open: Attempt = { ...attempt, sentAt: attempt.sentAt ?? moment.time.at, localDone }
  const kept: GrantRecord = { ...failed, attempts: [...failed.attempts, open] }
  const recovery = recoveryOf(kept, by, moment)
  if (recovery.kind !== 'wait')
    return whileWindowLasts(kept, by, moment, failure.retryAfter === undefined ? 'several' : 'one')
  const next = refreshes(kept.status)
    ? { ...kept, schedule: { ...kept.schedule, dueAt: recovery.until } }
    : kept
  return recovery.atRisk ? atRisk(next, by) : next
}

function atRisk(record: GrantRecord, { utc }: Settler): GrantRecord {
  const { message = '' } = record.schedule.lastError ?? {}
  const words = `a refresh was sent and nobody knows what became of it (${message})`
  return notify(record, 'at_risk', words, utc)
}

/**
 * However long it is to be backed off: an earlier send is repeated while its window has room for an answer, and a child that
 * a late sibling may have killed is tried while its parent can still bring another. `several`: not only at the last moment,
 * at which whoever would try may be dead.
 */
function whileWindowLasts(
  record: GrantRecord,
  by: Settler,
  { time }: Moment,
  tries: 'one' | 'several' = 'one',
): GrantRecord {
  const { dueAt, backoffUntil } = record.schedule
  if (dueAt === null) return record
  const { timing } = by
  const { deadline } = limitsOf(record.facts, timing)
  // Past it there is room for no answer: nobody is asked again and again until the window ends.
  const sooner = (chance: number): boolean => chance > time.at && chance < dueAt
  const until = unresolvedOf(record).length === 0 ? undefined : replayUntil(record, timing, time)
  if (until !== undefined) {
    const left = until - deadline - time.at
    const several = tries === 'several' && left > deadline
    const chance = several ? Math.ceil(time.at + left / 2) : until - deadline
    if (sooner(chance)) return { ...record, schedule: { ...record.schedule, dueAt: chance } }
    // Nobody asks again before the window is over.
    if (dueAt >= until) return atRisk(record, by)
  }
  if (effectiveClass(record.facts, timing) !== 'last_child_wins') return record
  const helps = previousHelpsUntil(record, timing, time)
  if (helps === undefined || !sooner(helps - 2 * deadline)) return record
  const chance = helps - 2 * deadline
  return {
    ...record,
    schedule: { ...record.schedule, dueAt: chance, backoffUntil: Math.min(backoffUntil, chance) },
  }
}

/**
 * The refresh token was refused. Another that may be alive takes its place: inside the window the one before, which brings
 * a living child whatever became of this one; else a candidate. With nothing left a refusal becomes certainty only when
 * it is repeated.
 */
function rejected(
  failed: GrantRecord,
  attempt: Attempt,
  outcome: Extract<FailedOutcome, { verdict: 'rejected' }>,
  by: Settler,
  moment: Moment,
): GrantRecord {
  if (!refreshes(failed.status)) return failed
  // Without a refresh token each request stands for itself, and one under way may still succeed.
  const attempts =
    attempt.parent === noRefreshToken
      ? failed.attempts
      : failed.attempts.filter((open) => open.parent !== attempt.parent)
  const judged: GrantRecord = { ...failed, attempts }
  // Where an earlier send has no verdict it may be spent: using another one then could end the login.
  if (!outcome.person && judged.attempts.length === failed.attempts.length) {
    const next = withPrevious(judged, by.timing, moment) ?? sibling(judged, by.timing, moment, 'younger')
    if (next !== undefined) return next
  }
  const { status, next: again } = afterRejection(
    judged.status,
    outcome.person,
    outcome.failure,
    by,
    moment.time.at,
  )
  const schedule = { ...judged.schedule, dueAt: again, backoffUntil: again ?? 0 }
  if (status.state === 'reauthorization_required') {
    // Before a person is asked there is nothing left to lose by using another one.
    const last = outcome.person
      ? undefined
      : (sibling(judged, by.timing, moment) ?? withPrevious(judged, by.timing, moment))
    if (last !== undefined) return last
    return notify({ ...judged, status, schedule }, 'reauthorization_required', status.reason, by.utc)
  }
  // A refusal that is not believed says nothing of earlier sends either: without them the token would be sent again outside
  // of its window, where the provider ends the login.
  const doubted: GrantRecord = { ...failed, status, schedule }
  const words = `${outcome.failure.message}; it is asked again before a person is`
  const told = judged.status.state === 'active' ? notify(doubted, 'at_risk', words, by.utc) : doubted
  return whileWindowLasts(told, by, moment)
}

/** A refusal becomes certainty only when it is repeated: providers have had hours in which they refused everybody. */
function afterRejection(
  status: GrantStatus,
  person: boolean,
  failure: Failure,
  { utc, timing }: Settler,
  now: number,
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

/**
 * A probe says that the refresh token is no longer alive although no answer came: the answer was lost. What else the
 * grant holds takes its place; with nothing left a person has to consent again.
 */
export function lost(
  record: GrantRecord | undefined,
  attempt: Attempt,
  by: Pick<Settler, 'utc' | 'timing'>,
  moment: Moment,
): Change<GrantRecord | undefined> {
  if (record === undefined) return { result: undefined }
  if (parentOf(record) !== attempt.parent || record.fence !== attempt.fence || !refreshes(record.status)) {
    const { record: free } = withoutLease(record, attempt)
    return { result: free ?? record, record: free }
  }
  const judged: GrantRecord = {
    ...record,
    lease: undefined,
    attempts: record.attempts.filter((open) => open.parent !== attempt.parent),
  }
  const next = sibling(judged, by.timing, moment) ?? withPrevious(judged, by.timing, moment)
  if (next !== undefined) return written(next)
  const reason =
    'lost_rotation: the provider has replaced the refresh token, and the answer that held the new one was lost'
  return written(
    notify(
      {
        ...judged,
        status: { state: 'reauthorization_required' as const, reason, since: by.utc },
        schedule: {
          ...judged.schedule,
          dueAt: null,
          backoffUntil: 0,
          failures: judged.schedule.failures + 1,
          lastError: { code: 'reauthorization_required' as const, message: reason, at: by.utc },
        },
      },
      'reauthorization_required',
      reason,
      by.utc,
    ),
  )
}
