import {
  type Attempt,
  findToken,
  type GrantRecord,
  type HeldRefreshToken,
  ownToken,
  parentOf,
  refreshes,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import { notBefore } from './minimum-age.ts'
import { type Notice, notify } from './notice.ts'
import { type Recovery, recoveryOf, unresolvedOf } from './recovery.ts'
import { withChild } from './siblings.ts'
import type { Change, Moment } from './store.ts'
import { effectiveClass, limitsOf, type Timing } from './timing.ts'

/** Why a refresh is asked for; decides which closed doors it may pass. */
export type Why =
  | { readonly kind: 'due' }
  /** The reader has no token that is good enough; `generation` is the one it saw, 0 for none. */
  | { readonly kind: 'wanted'; readonly key: TokenKey; readonly generation: number }
  /** The API refused this generation. */
  | { readonly kind: 'rejected'; readonly key: TokenKey; readonly generation: number }
  /** A person asked, who had seen `generation`, if that is given. */
  | { readonly kind: 'manual'; readonly key: TokenKey; readonly generation?: number | undefined }

export const keyOf = (why: Why): TokenKey => (why.kind === 'due' ? ownToken : why.key)

/** The right to refresh, taken. */
export interface Claimed {
  readonly kind: 'claimed'
  /** `revoke`: the provider is to be told that the login is over; nothing is refreshed. */
  readonly task: 'refresh' | 'revoke'
  readonly attempt: Attempt
  readonly record: GrantRecord
  /** Earlier sends have no verdict: ask whether the refresh token is alive before it is sent again. */
  readonly probe: boolean
  /** There are such sends, and what this host has of their answers comes first. */
  readonly again: boolean
  /** Store time from which on it is not sent any more: the reuse window that allows it is over then. */
  readonly before?: number | undefined
}

/** A closed door has a name. */
export type Claim =
  | Claimed
  /** Somebody else is at it. */
  | { readonly kind: 'held' }
  /** Nothing is sent before this store time. `notBefore` (UTC ms): because the provider would refuse it sooner. */
  | {
      readonly kind: 'backoff'
      readonly until: number
      readonly notice?: Notice | undefined
      readonly notBefore?: number | undefined
    }
  /** The state does not refresh, or the grant is gone. */
  | { readonly kind: 'dead' }
  /** What was asked for has happened already. */
  | { readonly kind: 'fresh' }

export interface Claimant {
  readonly owner: string
  readonly attemptId: string
  /** Where the answer will be spooled; empty for nowhere. */
  readonly spool: string
  /** UTC ms. */
  readonly utc: number
  readonly timing: Timing
  /** Store time before which nothing is sent to this grant's provider, by its breaker. */
  readonly closedUntil?: ((record: GrantRecord) => number | undefined) | undefined
}

const leaseFree = (record: GrantRecord, { time, isGone }: Moment): boolean => {
  const { lease } = record
  return lease === undefined || lease.boot !== time.boot || lease.until <= time.at || isGone(lease.owner)
}

/** An API that refuses one token right after another means us, not the token: at most one refresh in this time. */
const rejectionPause = (token: TokenRow): number => Math.min(60_000, token.lifetime / 4)

/** Whether `why` is reason enough now: undefined when it is, else the door it met. */
function closedDoor(record: GrantRecord, why: Why, utc: number, now: number): Claim | undefined {
  const { schedule } = record
  const waiting: Claim | undefined =
    schedule.backoffUntil > now ? { kind: 'backoff', until: schedule.backoffUntil } : undefined
  switch (why.kind) {
    case 'manual': {
      const newest = findToken(record, why.key)?.generation ?? 0
      return newest > (why.generation ?? newest) ? { kind: 'fresh' } : undefined
    }
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
 * second send could end the login: see {@link markSent}.
 */
export function claim(held: GrantRecord | undefined, why: Why, by: Claimant, moment: Moment): Change<Claim> {
  if (held === undefined) return { result: { kind: 'dead' } }
  if (held.status.state === 'revoking') return claimRevocation(held, why, by, moment)
  const record = withChild(held, by.timing, moment)
  if (!refreshes(record.status)) return { result: { kind: 'dead' } }
  const now = moment.time.at
  // Whoever claimed before and never marked the send can no longer do so: the fence below passes it.
  const unresolved = unresolvedOf(record)
  const overdue = record.schedule.dueAt !== null && record.schedule.dueAt <= now
  // An attempt without a verdict is reason enough when it is due again: backoff is for refreshes, not for recovery.
  const door =
    why.kind === 'due' && unresolved.length > 0 && overdue ? undefined : closedDoor(record, why, by.utc, now)
  if (door?.kind === 'backoff') return { result: door, ...dueNotBefore(record, why, now, door.until) }
  if (door !== undefined) return { result: door }
  // What was sent and has no answer is not a refresh of its own: looking after it does not wait.
  const young = unresolved.length > 0 ? undefined : notBefore(record, by.utc)
  if (young !== undefined) return postponedByAge(record, why, now, now + young - by.utc, young)
  if (!leaseFree(record, moment))
    return { result: { kind: 'held' }, ...dueNotBefore(record, why, now, record.lease?.until ?? now) }

  const recovery = recoveryOf(record, by, moment)
  if (recovery.kind === 'wait') return postponed(record, unresolved, recovery, by, moment)
  const before = recovery.kind === 'send' ? recovery.before : undefined
  const closed = by.closedUntil?.(record) ?? now
  // A breaker that opens too late for a reuse window keeps nobody from the last try in it: the answer may be there.
  const until = before === undefined ? closed : Math.min(closed, lastTry(record, before, by.timing))
  if (until > now) return { result: { kind: 'backoff', until }, ...dueNotBefore(record, why, now, until) }

  const claimed = leased(record, by, moment, unresolved)
  const next: GrantRecord = {
    ...claimed.record,
    tokens: why.kind === 'rejected' ? markRejected(record.tokens, why.key, by.utc) : record.tokens,
    schedule: {
      ...claimed.record.schedule,
      lastAttemptAt: by.utc,
      lastRejectionAt: why.kind === 'rejected' ? by.utc : record.schedule.lastRejectionAt,
    },
  }
  return {
    result: {
      kind: 'claimed',
      task: 'refresh',
      attempt: claimed.attempt,
      record: next,
      probe: recovery.kind === 'probe',
      again: unresolved.length > 0,
      before,
    },
    record: next,
  }
}

/** A token that an API refused is replaced as soon as the provider lets anybody. */
function postponedByAge(
  record: GrantRecord,
  why: Why,
  now: number,
  until: number,
  notBefore: number,
): Change<Claim> {
  const result = { kind: 'backoff', until, notBefore } as const
  const { dueAt } = record.schedule
  if (why.kind !== 'rejected' || dueAt === null || dueAt <= until)
    return { result, ...dueNotBefore(record, why, now, until) }
  return { result, record: { ...record, schedule: { ...record.schedule, dueAt: until } } }
}

/** Store time of the last moment at which a window that closes at `before` has room for an answer. */
export const lastTry = ({ facts }: Pick<GrantRecord, 'facts'>, before: number, timing: Timing): number =>
  before - limitsOf(facts, timing).deadline

/** The provider is told by whoever finds it due; no refresh token is spent, so no attempt is written. */
function claimRevocation(record: GrantRecord, why: Why, by: Claimant, moment: Moment): Change<Claim> {
  const { dueAt } = record.schedule
  const now = moment.time.at
  if (why.kind !== 'due' || dueAt === null || dueAt > now) return { result: { kind: 'dead' } }
  if (!leaseFree(record, moment))
    return { result: { kind: 'held' }, ...dueNotBefore(record, why, now, record.lease?.until ?? now) }
  const { attempt, record: leasedRecord } = leased(record, by, moment, [])
  const next = { ...leasedRecord, attempts: record.attempts }
  return {
    result: { kind: 'claimed', task: 'revoke', attempt, record: next, probe: false, again: false },
    record: next,
  }
}

/** Fence raised, lease taken, intent written, due time moved on. */
function leased(
  record: GrantRecord,
  by: Claimant,
  { time }: Moment,
  unresolved: readonly Attempt[],
): { attempt: Attempt; record: GrantRecord } {
  const fence = record.fence + 1
  const limits = limitsOf(record.facts, by.timing)
  const until = time.at + limits.lease
  const attempt: Attempt = {
    id: by.attemptId,
    fence,
    parent: parentOf(record),
    owner: by.owner,
    // Where sending twice does no harm one commit serves for claim and send.
    sentAt: provesUnsent(record, by.timing) ? undefined : time.at,
    boot: time.boot,
    localDone: false,
    spool: by.spool,
  }
  return {
    attempt,
    record: {
      ...record,
      fence,
      lease: { owner: by.owner, until, boot: time.boot },
      attempts: [...unresolved, attempt],
      schedule: { ...record.schedule, dueAt: until },
    },
  }
}

/** Classes of which an attempt without a time of sending must prove that nothing left. */
const provesUnsent = ({ facts }: GrantRecord, timing: Timing): boolean => {
  const replayClass = effectiveClass(facts, timing)
  return replayClass === 'strict' || replayClass === 'last_child_wins'
}

/** Too early to send again: the claim is given back before it is taken, and the grant is due when it may be. */
function postponed(
  record: GrantRecord,
  unresolved: readonly Attempt[],
  { until, atRisk }: Extract<Recovery, { kind: 'wait' }>,
  by: Claimant,
  { time, isGone }: Moment,
): Change<Claim> {
  // Another boot wrote them: from now on they are waited for as if they had been sent now.
  const restarted = unresolved.some((open) => open.boot !== time.boot)
  const attempts = restarted
    ? unresolved.map((open) =>
        open.boot === time.boot ? open : { ...open, sentAt: time.at, boot: time.boot, localDone: true },
      )
    : unresolved
  const { dueAt } = record.schedule
  const listening = restarted ? undefined : listensUntil(record, unresolved, by, time, isGone)
  if (listening !== undefined) return heldUntil(record, Math.min(until, listening), time.at)
  const same = attempts.length === record.attempts.length && !restarted && record.lease === undefined
  if (same && dueAt !== null && dueAt > time.at && dueAt <= until)
    return { result: { kind: 'backoff', until } }
  const waiting: GrantRecord = {
    ...record,
    lease: undefined,
    refreshToken: restarted ? spentBefore(record.refreshToken, unresolved, time.boot) : record.refreshToken,
    attempts,
    schedule: { ...record.schedule, dueAt: until },
  }
  // Whoever sent it may be dead, so it is for whoever finds it to say so.
  const next = atRisk
    ? notify(
        waiting,
        'at_risk',
        'a refresh was sent, and whoever sent it left no word of what became of it',
        by.utc,
      )
    : waiting
  const notice = next === waiting ? undefined : next.notices.at(-1)
  return { result: { kind: 'backoff', until, notice }, record: next }
}

/** The sends above are waited for anew; that its reuse window began before the restart is not forgotten over it. */
const spentBefore = (
  refreshToken: HeldRefreshToken | undefined,
  unresolved: readonly Attempt[],
  boot: string,
): HeldRefreshToken | undefined => {
  const sent = unresolved.find((open) => open.boot !== boot)
  if (refreshToken === undefined || sent?.sentAt === undefined) return refreshToken
  return { ...refreshToken, spent: refreshToken.spent ?? { at: sent.sentAt, boot: sent.boot } }
}

/**
 * Store time until which a sender may still hear an answer although its lease is gone: after a pause, or a changed
 * definition. Its token is worth waiting for, and nothing is at risk yet. Undefined when nobody listens.
 */
function listensUntil(
  record: GrantRecord,
  unresolved: readonly Attempt[],
  { timing }: Claimant,
  { at, boot }: Moment['time'],
  isGone: Moment['isGone'],
): number | undefined {
  const { deadline } = limitsOf(record.facts, timing)
  const ends = unresolved
    .filter((open) => !open.localDone && open.boot === boot && !isGone(open.owner))
    .map((open) => (open.sentAt ?? at) + deadline)
    .filter((end) => end > at)
  return ends.length === 0 ? undefined : Math.max(...ends)
}

const heldUntil = (record: GrantRecord, until: number, now: number): Change<Claim> => {
  const { dueAt } = record.schedule
  if (dueAt !== null && dueAt > now && dueAt <= until) return { result: { kind: 'held' } }
  return {
    result: { kind: 'held' },
    record: { ...record, lease: undefined, schedule: { ...record.schedule, dueAt: until } },
  }
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

const markRejected = (tokens: readonly TokenRow[], key: TokenKey, utc: number): readonly TokenRow[] =>
  tokens.map((token) =>
    token.scope === key.scope && token.resource === key.resource ? { ...token, rejectedAt: utc } : token,
  )
