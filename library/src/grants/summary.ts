import {
  findToken,
  type GrantRecord,
  type GrantState,
  type GrantType,
  type LastError,
  ownToken,
  type ToldTokens,
  type UpstreamRevocation,
} from './grant.ts'
import type { ApiPresentation, ReplayClass } from './lifetime-facts.ts'
import { type SharedLoginLimit, sharedLoginLimit } from './login-limit.ts'
import type { Notice } from './notice.ts'
import { freshness } from './schedule.ts'
import type { StoreTime } from './store.ts'
import { isDpopType } from './token-proof.ts'
import { whyAssumed } from './unstated-lifetime.ts'

/** What anybody may know of a grant: never a token, never a secret. Times are UTC ms. */
export interface GrantSummary {
  readonly id: string
  readonly state: GrantState
  /** Why it is in that state, where there is something to say. */
  readonly reason?: string | undefined
  readonly grantType: GrantType
  readonly provider: string
  readonly labels: Readonly<Record<string, string>>
  readonly createdAt: number
  readonly updatedAt: number
  /** Of the grant's own access token. */
  readonly expiresAt?: number | undefined
  readonly freshness: 'fresh' | 'advisory' | 'mandatory' | 'expired' | 'none'
  readonly generation: number
  /** What was granted. */
  readonly scope: readonly string[]
  /** How the lifetime is known. */
  readonly lifetimeFrom?: 'stated' | 'jwt' | 'introspection' | 'assumed' | undefined
  /** Why it had to be assumed, where the provider's profile says at which place the lifetime stands. */
  readonly lifetimeReason?: string | undefined
  readonly lastRefreshAt?: number | undefined
  readonly lastAttemptAt?: number | undefined
  /** Failures in a row. */
  readonly failures: number
  readonly lastError?: LastError | undefined
  readonly nextAttemptAt?: number | undefined
  /** A refresh was sent and nobody knows what became of it. */
  readonly unresolved: boolean
  /** Tokens held for other scopes or resources. */
  readonly otherTokens: number
  readonly replayClass: ReplayClass
  /** How an API of the provider wants the access token, where that is not as RFC 6750 has it. */
  readonly api?: ApiPresentation | undefined
  /**
   * Of a grant that has a key: whether its token is bound to it (DPoP, RFC 9449), so that it is worth nothing without proofs.
   * False where the provider gave another kind of token all the same.
   */
  readonly senderConstrained?: boolean | undefined
  /** Other refresh tokens of this login that are kept in case they are the live one. */
  readonly candidates: number
  /** UTC ms at which the refresh token dies by age, where that is known. */
  readonly refreshTokenExpiresAt?: number | undefined
  /** More logins than its `count`, and the provider ends the oldest; those of one `group` count together. */
  readonly loginLimit?: SharedLoginLimit | undefined
  /** Of a revoked grant: what the provider made of it. */
  readonly upstream?: UpstreamRevocation | undefined
  /** Of a grant that is revoked or being so: what became of its tokens at the provider, by kind. `nextAttemptAt` says when it is told again. */
  readonly told?: ToldTokens | undefined
  /** What a person was to know, oldest first. */
  readonly notices: readonly Notice[]
}

/** The summary of a record at a moment of both clocks. */
export function summaryOf(record: GrantRecord, utc: number, time: StoreTime): GrantSummary {
  const own = findToken(record, ownToken)
  const { status, schedule } = record
  return {
    id: record.id,
    state: status.state,
    reason: 'reason' in status ? status.reason : undefined,
    grantType: record.grantType,
    provider: record.provider,
    labels: record.labels,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    expiresAt: own?.expiresAt,
    freshness:
      own === undefined ? 'none' : freshness(own, record.refreshBefore, utc, record.facts.oldTokenDies),
    generation: own?.generation ?? 0,
    scope: own?.grantedScope ?? [],
    lifetimeFrom: own?.lifetimeFrom,
    lifetimeReason: whyAssumed(record),
    lastRefreshAt: schedule.lastSuccessAt,
    lastAttemptAt: schedule.lastAttemptAt,
    failures: schedule.failures,
    lastError: schedule.lastError,
    nextAttemptAt: schedule.dueAt === null ? undefined : utc + Math.max(0, schedule.dueAt - time.at),
    unresolved: record.attempts.some((attempt) => attempt.sentAt !== undefined),
    senderConstrained: record.proofKey === undefined ? undefined : own === undefined || isDpopType(own.type),
    replayClass: record.facts.replayClass,
    api: record.facts.api,
    candidates: record.candidates.length,
    refreshTokenExpiresAt: refreshTokenExpiry(record),
    loginLimit: sharedLoginLimit(record),
    upstream: status.state === 'revoked' ? status.upstream : undefined,
    told: 'told' in status ? status.told : undefined,
    notices: record.notices,
    otherTokens: record.tokens.length - (own === undefined ? 0 : 1),
  }
}

/** UTC ms at which the refresh token dies by age: as the provider said, else as its profile says. */
function refreshTokenExpiry({
  refreshTokenExpiresAt,
  loginAt,
  facts,
}: Pick<GrantRecord, 'refreshTokenExpiresAt' | 'loginAt' | 'facts'>): number | undefined {
  if (refreshTokenExpiresAt !== undefined) return refreshTokenExpiresAt
  if (facts.refreshTokenLifetime === undefined || loginAt === undefined) return undefined
  return loginAt + facts.refreshTokenLifetime
}
