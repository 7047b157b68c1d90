import { type Answered, withoutLease } from './attempt.ts'
import { withCandidate } from './candidate.ts'
import { ageNotices, refreshTokenEnd } from './due.ts'
import {
  type Attempt,
  type Candidate,
  dueAt,
  findToken,
  type GrantRecord,
  type HeldRefreshToken,
  noRefreshToken,
  parentOf,
  type TokenRow,
} from './grant.ts'
import { notify } from './notice.ts'
import { unresolvedOf } from './recovery.ts'
import { shortestRest } from './schedule.ts'
import { inDoubt, newestPresent, withPrevious } from './siblings.ts'
import type { Change, Moment } from './store.ts'
import { effectiveClass, type Timing } from './timing.ts'
import { noticedUnstated } from './unstated-lifetime.ts'

/** Milliseconds; a provider that never gives an access token is asked no less often. */
const longestRest = 300_000
/** Milliseconds for which every refresh token that was received is kept. */
const candidateAge = 86_400_000

export interface Committer {
  /** UTC ms. */
  readonly utc: number
  readonly timing: Timing
}

type Committed = GrantRecord | null

/**
 * T2: the answer becomes the grant's. It is judged by the refresh token it was bought with, not by the fence: an
 * answer that comes late is still the only one the provider will give. One that was bought with another refresh token
 * is kept as a candidate. Repeating it changes nothing. Null when it belongs to a past the row has left behind (another
 * consent, another definition).
 */
export function commit(
  record: GrantRecord | undefined,
  attempt: Pick<Attempt, 'id' | 'fence' | 'parent'>,
  answered: Answered,
  by: Committer,
  moment: Moment,
): Change<Committed> {
  const unwanted = { result: null, ...withoutLease(record, attempt as Attempt) }
  if (record === undefined) return unwanted
  const { refreshToken } = answered
  if (refreshToken !== undefined && holds(record, refreshToken)) {
    // The same answer once more, out of a spool or after a lost COMMIT.
    const { record: free } = withoutLease(record, attempt as Attempt)
    return { result: free ?? record, record: free }
  }
  switch (record.status.state) {
    case 'pending':
      return unwanted
    case 'revoking':
    case 'revoked':
      return refreshToken === undefined ? unwanted : revokedToo(record, attempt, refreshToken, moment)
    case 'quarantined':
      return keptOnly(asCandidate(record, attempt, answered, by, moment)) ?? unwanted
    case 'active':
    case 'suspect':
    case 'paused':
    case 'reauthorization_required':
      break
    default:
      return record.status satisfies never
  }
  if (parentOf(record) !== attempt.parent) {
    const kept = asCandidate(record, attempt, answered, by, moment)
    if (kept === undefined) return unwanted
    return changesSubject(record, answered)
      ? setAside(record, attempt, answered, by, moment)
      : revived(kept, moment)
  }
  if (attempt.parent === noRefreshToken && !record.attempts.some((open) => open.id === attempt.id))
    return unwanted
  const present = answered.token === undefined ? undefined : findToken(record, answered.token)
  if (refreshToken === undefined && present !== undefined && present.fence >= attempt.fence) return unwanted
  if (changesSubject(record, answered)) return setAside(record, attempt, answered, by, moment)
  return taken(record, attempt, answered, by, moment)
}

const holds = (record: GrantRecord, { fingerprint }: HeldRefreshToken): boolean =>
  record.refreshToken?.fingerprint === fingerprint ||
  record.previousRefreshToken?.fingerprint === fingerprint ||
  record.candidates.some(({ refreshToken }) => refreshToken.fingerprint === fingerprint)

/** Where nobody was named before, by a login or by an import, there is nobody to differ from. */
const changesSubject = ({ subject }: GrantRecord, answered: Answered): boolean =>
  subject !== undefined &&
  (answered.foreign !== undefined || (answered.subject !== undefined && subject !== answered.subject))

const strangers = { iss: 'issuer', aud: 'client' } as const

const strangeness = ({ foreign }: Answered): string =>
  foreign === undefined
    ? 'the provider answered for another subject than before'
    : `the provider answered with an id_token of another ${strangers[foreign]} than before (${foreign})`

/** The usual case: the refresh token that bought it is the one the row holds. */
function taken(
  record: GrantRecord,
  attempt: Pick<Attempt, 'id' | 'fence' | 'parent'>,
  answered: Answered,
  { utc, timing }: Committer,
  moment: Moment,
): Change<Committed> {
  const { time } = moment
  const { token: brought, refreshToken } = answered
  const paused = record.status.state === 'paused'
  const onParent = record.attempts.filter(
    (open) => open.parent === attempt.parent && open.sentAt !== undefined,
  )
  const renewed: GrantRecord = {
    ...record,
    status: paused ? record.status : { state: 'active' },
    fence: record.fence + 1,
    lease: undefined,
    refreshToken: refreshToken ?? record.refreshToken,
    previousRefreshToken:
      refreshToken === undefined || record.refreshToken === undefined
        ? record.previousRefreshToken
        : { ...record.refreshToken, spent: firstSend(record.refreshToken, onParent) },
    subject: answered.subject ?? record.subject,
    refreshTokenExpiresAt:
      answered.refreshTokenExpiresAt ??
      (refreshToken === undefined ? record.refreshTokenExpiresAt : undefined),
    tokens: brought === undefined ? record.tokens : withToken(record.tokens, brought, attempt.fence),
    candidates: stillOfUse(record, utc),
    attempts: record.attempts.filter((open) => open.parent !== attempt.parent),
  }
  const next = noticed(record, renewed, answered, utc)
  const due = brought === undefined ? time.at + restAfter(record) : dueAt(next, utc, time.at, record)
  const committed: GrantRecord = {
    ...next,
    schedule: {
      ...record.schedule,
      dueAt: paused || due === null ? null : Math.max(due, time.at + shortestRest),
      backoffUntil: 0,
      ...(brought === undefined
        ? { failures: record.schedule.failures + 1 }
        : { failures: 0, lastError: undefined, lastSuccessAt: utc }),
    },
  }
  const others = onParent.filter((open) => open.id !== attempt.id)
  const isChild = refreshToken !== undefined && effectiveClass(record.facts, timing) === 'last_child_wins'
  const isInDoubt = isChild && others.length > 0 && !paused
  const result = isInDoubt ? inDoubt(committed, attempt, others, { utc, timing }, moment) : committed
  return { result, record: result }
}

/** A refresh token without an access token is proved at once; a provider that never gives one is asked ever less often. */
const restAfter = ({ schedule }: GrantRecord): number =>
  Math.min(shortestRest * 2 ** Math.min(schedule.failures, 12), longestRest)

/**
 * The success proves the present line of refresh tokens: what lies two generations back, and is older than a day, is no
 * longer worth trying. A provider may take it for a thief's.
 */
const stillOfUse = ({ candidates, previousRefreshToken }: GrantRecord, utc: number): readonly Candidate[] =>
  candidates.filter(
    ({ parent, refreshToken }) =>
      refreshToken.receivedAt > utc - candidateAge || parent === previousRefreshToken?.fingerprint,
  )

const firstSend = (
  { spent }: HeldRefreshToken,
  sends: readonly Attempt[],
): HeldRefreshToken['spent'] | undefined => {
  if (spent !== undefined) return spent
  const [first] = sends.toSorted((a, b) => (a.sentAt ?? 0) - (b.sentAt ?? 0))
  return first?.sentAt === undefined ? undefined : { at: first.sentAt, boot: first.boot }
}

const withToken = (
  tokens: readonly TokenRow[],
  brought: NonNullable<Answered['token']>,
  fence: number,
): readonly TokenRow[] => {
  const present = tokens.find(
    ({ scope, resource }) => scope === brought.scope && resource === brought.resource,
  )
  const token: TokenRow = { ...brought, generation: (present?.generation ?? 0) + 1, fence }
  return [...tokens.filter((other) => other !== present), token]
}

/** What the success ends or brings that a person must know. */
function noticed(before: GrantRecord, next: GrantRecord, answered: Answered, utc: number): GrantRecord {
  const recovered = notify(next, 'recovered', 'the login goes on', utc)
  const granted = answered.token?.grantedScope
  const had = answered.token === undefined ? undefined : findToken(before, answered.token)?.grantedScope
  const lost = granted === undefined ? [] : (had ?? []).filter((name) => !granted.includes(name))
  const reduced =
    lost.length === 0
      ? recovered
      : notify(recovered, 'scope_reduced', `the provider no longer grants ${lost.join(' ')}`, utc)
  return ageing(before, noticedUnstated(reduced, answered.token, utc), utc)
}

/** A refresh token that dies by age, however often it is used: a person must consent again before. */
function ageing(before: GrantRecord, next: GrantRecord, utc: number): GrantRecord {
  const end = refreshTokenEnd(next, before)
  const kind = end === undefined ? undefined : ageNotices(end, utc).due
  if (end === undefined || kind === undefined) return next
  return notify(next, kind, `the refresh token dies by age at ${new Date(end).toISOString()}`, utc)
}

/** Never dropped, unless it belongs to a login before the present one. */
function asCandidate(
  record: GrantRecord,
  { id, fence, parent }: Pick<Attempt, 'id' | 'fence' | 'parent'>,
  { refreshToken, token }: Answered,
  { timing }: Committer,
  moment: Moment,
): GrantRecord | undefined {
  if (refreshToken === undefined || refreshToken.receivedAt < (record.loginAt ?? 0)) return undefined
  const candidate: Candidate = { id, fence, parent, refreshToken, token }
  const mine = record.fence === fence
  const proving =
    record.status.state === 'active' && effectiveClass(record.facts, timing) === 'last_child_wins'
  const kept = withSibling(record, candidate)
  const free: GrantRecord = {
    ...kept,
    lease: mine ? undefined : kept.lease,
    attempts: kept.attempts.filter((open) => open.id !== id),
  }
  if (!proving || record.previousRefreshToken?.fingerprint !== parent) return free
  if (record.attempts.some((open) => open.parent === parentOf(record))) return free
  // Which of two children lives is for the provider to say: their parent brings a third, and that one does.
  return withPrevious(free, timing, moment) ?? newestPresent(free, candidate)
}

const withSibling = (record: GrantRecord, candidate: Candidate): GrantRecord => ({
  ...record,
  refreshToken: spentFor(record, candidate.parent),
  candidates: [...record.candidates, candidate],
})

/** During a quarantine the child of the present refresh token is a candidate too: when that was spent is not forgotten. */
function spentFor(record: GrantRecord, parent: string): HeldRefreshToken | undefined {
  const { refreshToken } = record
  if (refreshToken === undefined || refreshToken.fingerprint !== parent) return refreshToken
  const spent = firstSend(refreshToken, unresolvedOf(record))
  return spent === undefined ? refreshToken : { ...refreshToken, spent }
}

const keptOnly = (record: GrantRecord | undefined): Change<Committed> | undefined =>
  record === undefined ? undefined : { result: null, record }

/** A person was asked because nothing was left to try: now there is something. */
function revived(record: GrantRecord, { time }: Moment): Change<Committed> {
  const newest = record.candidates.at(-1)
  if (record.status.state !== 'reauthorization_required' || newest === undefined)
    return { result: null, record }
  const next: GrantRecord = {
    ...withCandidate(record, newest),
    status: { state: 'active' },
    schedule: { ...record.schedule, dueAt: time.at, backoffUntil: 0 },
  }
  return { result: null, record: next }
}

/** Another person's login under this grant's name is served to nobody until an operator has looked. */
function setAside(
  record: GrantRecord,
  attempt: Pick<Attempt, 'id' | 'fence' | 'parent'>,
  answered: Answered,
  by: Committer,
  moment: Moment,
): Change<Committed> {
  const reason = strangeness(answered)
  const kept = asCandidate(record, attempt, answered, by, moment) ?? record
  const next = notify(
    {
      ...kept,
      status: { state: 'quarantined' as const, reason },
      fence: kept.fence + 1,
      lease: undefined,
      schedule: { ...kept.schedule, dueAt: null },
    },
    'quarantined',
    reason,
    by.utc,
  )
  return { result: next, record: next }
}

/** What still comes for a login that is over joins what the provider is told to revoke; it is never used. */
function revokedToo(
  record: GrantRecord,
  { id, fence, parent }: Pick<Attempt, 'id' | 'fence' | 'parent'>,
  refreshToken: HeldRefreshToken,
  { time }: Moment,
): Change<Committed> {
  const { status } = record
  const next: GrantRecord = {
    ...record,
    status: status.state === 'revoked' ? { state: 'revoking', since: status.since } : status,
    candidates: [...record.candidates, { id, fence, parent, refreshToken }],
    attempts: record.attempts.filter((open) => open.id !== id),
    schedule: { ...record.schedule, dueAt: time.at },
  }
  return { result: null, record: next }
}
