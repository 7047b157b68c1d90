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
  ownToken,
  parentOf,
  refreshes,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import type { Failure, Outcome } from './outcome.ts'
import { backoff, windows } from './schedule.ts'
import type { Change, Moment } from './store.ts'
import type { Timing } from './timing.ts'

/*
 * The life of one attempt to refresh, as pure steps on a record. Each step is one transaction of the store:
 *
 *   claim ──> markSent ──> (the request) ──> commit, or settle
 *
 * Between them the process may die, stall or be overtaken; each step judges the row it finds, not what it remembers.
 */

/** Why a refresh is asked for; decides which closed doors it may pass. */
export type Why =
  | { readonly kind: 'due' }
  /** The reader has no token that is good enough; `generation` is the one it saw, 0 for none. */
  | { readonly kind: 'wanted'; readonly key: TokenKey; readonly generation: number }
  /** The API refused this generation. */
  | { readonly kind: 'rejected'; readonly key: TokenKey; readonly generation: number }
  /** A person asked. */
  | { readonly kind: 'manual'; readonly key: TokenKey }

export const keyOf = (why: Why): TokenKey => (why.kind === 'due' ? ownToken : why.key)

/** A closed door has a name. */
export type Claim =
  | { readonly kind: 'claimed'; readonly attempt: Attempt; readonly record: GrantRecord }
  /** Somebody else is at it. */
  | { readonly kind: 'held' }
  /** Nothing is sent before this store time. */
  | { readonly kind: 'backoff'; readonly until: number }
  /** The state does not refresh, or the grant is gone. */
  | { readonly kind: 'dead' }
  /** What was asked for has happened already. */
  | { readonly kind: 'fresh' }

export interface Claimant {
  readonly owner: string
  readonly attemptId: string
  /** UTC ms. */
  readonly utc: number
  readonly timing: Timing
}

const leaseFree = (record: GrantRecord, { time, isDead }: Moment): boolean => {
  const { lease } = record
  return lease === undefined || lease.boot !== time.boot || lease.until <= time.at || isDead(lease.owner)
}

/** An API that refuses one token right after another means us, not the token: at most one refresh in this time. */
const rejectionPause = (token: TokenRow): number => Math.min(60_000, token.lifetime / 4)

/** Whether `why` is reason enough now: undefined when it is, else the door it met. */
function closedDoor(record: GrantRecord, why: Why, utc: number, now: number): Claim | undefined {
  const { schedule } = record
  const waiting: Claim | undefined =
    schedule.backoffUntil > now ? { kind: 'backoff', until: schedule.backoffUntil } : undefined
  switch (why.kind) {
    case 'manual':
      return undefined
    case 'due':
      return schedule.dueAt === null || schedule.dueAt > now ? { kind: 'fresh' } : waiting
    case 'wanted': {
      const present = findToken(record, why.key)
      return present !== undefined && present.generation > why.generation ? { kind: 'fresh' } : waiting
    }
    case 'rejected': {
      const present = findToken(record, why.key)
      if (present === undefined || present.generation !== why.generation) return { kind: 'fresh' }
      if (present.rejectedAt !== undefined) return waiting
      const since = Math.abs(utc - (schedule.lastRejectionAt ?? Number.NEGATIVE_INFINITY))
      const pause = rejectionPause(present)
      return since < pause ? { kind: 'backoff', until: now + pause - since } : undefined
    }
    default:
      return why satisfies never
  }
}

/**
 * T1: takes the right to refresh, and writes the intent. Nothing may be sent on the strength of it alone where a
 * refresh token rotates: see {@link markSent}.
 */
export function claim(
  record: GrantRecord | undefined,
  why: Why,
  by: Claimant,
  moment: Moment,
): Change<Claim> {
  if (record === undefined || !refreshes(record.status)) return { result: { kind: 'dead' } }
  const { time } = moment
  const now = time.at
  const parent = parentOf(record)
  // Whoever claimed before and never marked the send can no longer do so: the fence below passes it.
  const unresolved = record.attempts.filter((open) => open.parent === parent && open.sentAt !== undefined)
  const door = closedDoor(record, why, by.utc, now)
  if (door?.kind === 'backoff') return { result: door, ...dueNotBefore(record, why, now, door.until) }
  if (door !== undefined && !(why.kind === 'due' && unresolved.length > 0)) return { result: door }
  if (!leaseFree(record, moment))
    return { result: { kind: 'held' }, ...dueNotBefore(record, why, now, record.lease?.until ?? now) }

  if (unresolved.length > 0 && record.replayClass === 'strict') {
    // Its lease may be gone (a pause, a changed definition) while its answer is still on the way.
    const awaited = unresolved.reduce((latest, open) => Math.max(latest, awaitedUntil(open, by, moment)), 0)
    if (awaited > now) return { result: { kind: 'held' }, ...dueNotBefore(record, why, now, awaited) }
    // A used refresh token sent again kills the login. Without a probe the only safe time is when waiting longer
    // would lose the login anyway: the mandatory window. (Spool, candidates and probes take their place here.)
    const near = ownFreshness(record, by.utc)
    if (near === 'fresh' || near === 'advisory') {
      const own = findToken(record, ownToken) as TokenRow
      const until = now + own.expiresAt - windows(own.lifetime, record.refreshBefore).mandatory - by.utc
      return {
        result: { kind: 'backoff', until },
        record: {
          ...record,
          lease: undefined,
          attempts: unresolved,
          schedule: { ...record.schedule, dueAt: until },
        },
      }
    }
  }

  const fence = record.fence + 1
  const attempt: Attempt = {
    id: by.attemptId,
    fence,
    parent,
    owner: by.owner,
    // Sending twice does no harm in the other classes, so one commit serves for claim and send.
    sentAt: record.replayClass === 'strict' ? undefined : now,
    boot: time.boot,
    localDone: false,
  }
  const claimed: GrantRecord = {
    ...record,
    fence,
    lease: { owner: by.owner, until: now + by.timing.lease, boot: time.boot },
    attempts: [...unresolved, attempt],
    tokens: why.kind === 'rejected' ? markRejected(record.tokens, why.key, by.utc) : record.tokens,
    schedule: {
      ...record.schedule,
      dueAt: now + by.timing.lease,
      lastAttemptAt: by.utc,
      lastRejectionAt: why.kind === 'rejected' ? by.utc : record.schedule.lastRejectionAt,
    },
  }
  return { result: { kind: 'claimed', attempt, record: claimed }, record: claimed }
}

/** A grant whose door is closed is due when the door opens: a worker that finds it due must not find it due for ever. */
const dueNotBefore = (
  record: GrantRecord,
  why: Why,
  now: number,
  opens: number,
): Pick<Change<never>, 'record'> => {
  const { dueAt } = record.schedule
  if (why.kind !== 'due' || dueAt === null || dueAt > now) return {}
  return { record: { ...record, schedule: { ...record.schedule, dueAt: opens } } }
}

/** Store time up to which the process that sent an attempt may still be waiting for the answer. */
const awaitedUntil = (open: Attempt, { timing }: Claimant, { time, isDead }: Moment): number =>
  open.localDone || open.sentAt === undefined || open.boot !== time.boot || isDead(open.owner)
    ? 0
    : open.sentAt + timing.deadline

const markRejected = (tokens: readonly TokenRow[], key: TokenKey, utc: number): readonly TokenRow[] =>
  tokens.map((token) =>
    token.scope === key.scope && token.resource === key.resource ? { ...token, rejectedAt: utc } : token,
  )

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
