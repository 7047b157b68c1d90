import {
  type Attempt,
  findToken,
  type GrantRecord,
  ownFreshness,
  ownToken,
  parentOf,
  refreshes,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import { windows } from './schedule.ts'
import type { Change, Moment } from './store.ts'
import type { Timing } from './timing.ts'

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
