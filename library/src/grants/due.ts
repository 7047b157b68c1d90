import type { LifetimeFacts } from './lifetime-facts.ts'
import type { NoticeKind } from './notice.ts'
import { spread, untilDue } from './schedule.ts'

/** What decides when a grant is refreshed by itself; every grant's record is one. Times are UTC ms. */
export interface Dated {
  readonly id: string
  readonly refreshBefore?: number | undefined
  readonly facts: Pick<
    LifetimeFacts,
    'refresh' | 'oldTokenDies' | 'refreshTokenIdle' | 'refreshTokenLifetime'
  >
  readonly loginAt?: number | undefined
  readonly refreshTokenExpiresAt?: number | undefined
  readonly refreshToken?: { readonly receivedAt: number } | undefined
  readonly schedule: { readonly lastSuccessAt?: number | undefined }
  readonly tokens: readonly DatedToken[]
}

interface DatedToken {
  readonly scope: string
  readonly resource: string
  readonly generation: number
  readonly obtainedAt: number
  readonly expiresAt: number
  /** Milliseconds. */
  readonly lifetime: number
}

const day = 86_400_000
/** Where nobody says how long a refresh token may lie idle: most of those that do die live for weeks. */
const unknownIdle = 7 * day

/**
 * Milliseconds from now until the grant is to be refreshed by itself; never negative, null where never. `before`: the
 * record before the answer that has just come, where one has; it tells what an answer did not move.
 */
export function dueIn(record: Dated, utc: number, before?: Dated | undefined): number | null {
  const wishes = [
    record.facts.refresh === 'on_demand' ? undefined : tokenDueIn(record, utc, before),
    until(keepAliveAt(record, before), utc),
    until(nextAgeNotice(record, utc), utc),
  ].filter((wish) => wish !== undefined)
  return wishes.length === 0 ? null : Math.min(...wishes)
}

const until = (at: number | undefined, utc: number): number | undefined =>
  at === undefined ? undefined : Math.max(0, at - utc)

const ownOf = ({ tokens }: Dated): DatedToken | undefined =>
  tokens.find(({ scope, resource }) => scope === '' && resource === '')

function tokenDueIn(record: Dated, utc: number, before: Dated | undefined): number {
  const own = ownOf(record)
  if (own === undefined) return 0
  const replaced = before === undefined ? undefined : ownOf(before)
  if (replaced !== undefined && replaced.generation !== own.generation && isSameLife(own, replaced))
    return sameTokenPause(own.expiresAt - utc)
  return untilDue(own, record, utc)
}

/** Whole seconds and the way of an answer move the expiry of one and the same token a little. */
const isSameLife = (own: DatedToken, replaced: DatedToken): boolean =>
  own.expiresAt - replaced.expiresAt < Math.min(2_000, 0.1 * replaced.lifetime)

/** Half of what is left, at least half a minute, though not past the expiry: by then there must be another. */
const sameTokenPause = (left: number): number => Math.max(0, Math.min(Math.max(left / 2, 30_000), left))

/**
 * UTC ms at which a refresh token is used so that it does not die of idleness: after a third of the time it may lie idle,
 * or after a week where that is unknown. Earlier by up to a tenth, so that grants added together do not come together.
 */
export function keepAliveAt(record: Dated, before?: Dated | undefined): number | undefined {
  const { refreshToken, facts, schedule, tokens } = record
  if (refreshToken === undefined) return undefined
  const used = Math.max(
    refreshToken.receivedAt,
    schedule.lastSuccessAt ?? 0,
    ...tokens.map(({ obtainedAt }) => obtainedAt),
  )
  const pauses = [
    facts.refreshTokenIdle === undefined ? undefined : facts.refreshTokenIdle / 3,
    statedPause(record, used, before),
  ].filter((pause) => pause !== undefined)
  const pause = pauses.length === 0 ? unknownIdle : Math.min(...pauses)
  return used + pause * (1 - 0.1 * spread(record.id))
}

/** An expiry that no use moves is no reason to use it; one that might move is, though ever less often near the end. */
function statedPause(record: Dated, used: number, before: Dated | undefined): number | undefined {
  const { refreshTokenExpiresAt: stated } = record
  if (stated === undefined || stated <= used || fixedExpiry(record, before) !== undefined) return undefined
  const left = stated - used
  return Math.max(left / 3, Math.min(60_000, left / 2))
}

const thresholds: readonly { readonly kind: NoticeKind; readonly before: number }[] = [
  { kind: 'refresh_token_expires_1d', before: day },
  { kind: 'refresh_token_expires_7d', before: 7 * day },
  { kind: 'refresh_token_expires_30d', before: 30 * day },
]

/**
 * What a person is to know of a refresh token that dies by age at `expiresAt`, 30, 7 and 1 days before: the most pressing
 * notice that is due, and when (UTC ms) the next one will be.
 */
export function ageNotices(
  expiresAt: number,
  utc: number,
): { readonly due: NoticeKind | undefined; readonly next: number | undefined } {
  const due = utc >= expiresAt ? undefined : thresholds.find(({ before }) => utc >= expiresAt - before)?.kind
  const later = thresholds.map(({ before }) => expiresAt - before).filter((at) => at > utc)
  return { due, next: later.length === 0 ? undefined : Math.min(...later) }
}

/**
 * UTC ms at which the refresh token dies however often it is used; undefined where nothing says so. An expiry that the
 * provider states counts only when `before`, the record before its last answer, had the same: one that moves with
 * every use is a limit of idleness.
 */
export function refreshTokenEnd(record: Dated, before?: Dated | undefined): number | undefined {
  const { refreshToken, facts, loginAt } = record
  if (refreshToken === undefined) return undefined
  const aged =
    facts.refreshTokenLifetime === undefined || loginAt === undefined
      ? undefined
      : loginAt + facts.refreshTokenLifetime
  const ends = [aged, fixedExpiry(record, before)].filter((end) => end !== undefined)
  return ends.length === 0 ? undefined : Math.min(...ends)
}

/** Stated in whole seconds from each answer, one and the same moment comes out a little differently each time. */
function fixedExpiry(
  { refreshTokenExpiresAt: stated }: Dated,
  before: Dated | undefined,
): number | undefined {
  const stood = before?.refreshTokenExpiresAt
  return stated !== undefined && stood !== undefined && stated - stood < 2_000 ? stated : undefined
}

/** A refresh at the moment of a notice finds out whether the expiry still stands, and the notice is said on time. */
function nextAgeNotice(record: Dated, utc: number): number | undefined {
  const ends = [
    refreshTokenEnd(record),
    record.refreshToken === undefined ? undefined : record.refreshTokenExpiresAt,
  ]
  const times = ends
    .map((end) => (end === undefined ? undefined : ageNotices(end, utc).next))
    .filter((at) => at !== undefined)
  return times.length === 0 ? undefined : Math.min(...times)
}
