import type { ErrorCode } from '../errors.ts'
import { withCandidate } from './candidate.ts'
import { dueIn } from './due.ts'
import type { LifetimeFacts } from './lifetime-facts.ts'
import { type Notice, notify } from './notice.ts'
import { freshness } from './schedule.ts'

/** Every grant type, by its name in evertoken.yaml and in a summary. */
export const grantTypes = [
  'client_credentials',
  'authorization_code',
  'refresh_token',
  'jwt_bearer',
  'password',
  'token_exchange',
  'request',
] as const

/** How a grant is obtained, and so how its next token is. */
export type GrantType = (typeof grantTypes)[number]

const minting: readonly GrantType[] = ['client_credentials', 'jwt_bearer', 'token_exchange', 'request']

/** Whether tokens are minted from what the definition holds: there is no refresh token to spend, and no login to lose. */
export const mints = (grantType: GrantType): boolean => minting.includes(grantType)

/** Whether there is nothing to serve before a person has logged in. */
export const needsLogin = (grantType: GrantType): boolean =>
  grantType === 'authorization_code' || grantType === 'password'

/**
 * Where a grant stands. Every change goes through a function of this folder, inside one transaction of the store.
 *
 *   pending ──consent──> active <──answer── suspect ──refused twice more──> reauthorization_required
 *                        active ──refused──> suspect          any ──consent again──> active
 *   active, suspect ──pause──> paused ──resume──> active      any ──does not decrypt──> quarantined ──resume──> active
 *   reauthorization_required ──resume, where tokens are minted──> active
 *   any ──revoke──> revoking ──the provider was told──> revoked
 *
 * Only active and suspect refresh. Those two and reauthorization_required serve a token that has not expired.
 */
export type GrantStatus =
  | { readonly state: 'pending' }
  | { readonly state: 'active' }
  /** Another refusal counts from store time `countsFrom` on. */
  | { readonly state: 'suspect'; readonly refusals: number; readonly countsFrom: number }
  | { readonly state: 'reauthorization_required'; readonly reason: string; readonly since: number }
  | { readonly state: 'paused' }
  | { readonly state: 'quarantined'; readonly reason: string }
  /** The provider is being told, since (UTC ms); nothing is served any more. */
  | { readonly state: 'revoking'; readonly since: number; readonly told?: ToldTokens | undefined }
  | ({ readonly state: 'revoked'; readonly since: number } & Revocation)

/**
 * `unsupported`: the provider has no way to revoke it. `failed`: it was refused for good, or the provider could not be told
 * within seven days.
 */
export type UpstreamRevocation = 'revoked' | 'unsupported' | 'failed'

/** What became of the tokens of one kind at the provider; of several the worst. */
export interface TokenRevocation {
  /** `pending`: the provider is told again. */
  readonly outcome: UpstreamRevocation | 'pending'
  /** UTC ms of the last time that it was told, or should have been. */
  readonly at: number
  /** Why it is neither revoked nor unsupported: the provider's words, or the system's. */
  readonly why?: string | undefined
}

/** By kind; absent where there was none. */
export interface ToldTokens {
  readonly refreshToken?: TokenRevocation | undefined
  readonly accessToken?: TokenRevocation | undefined
}

/** What became of an ended login at the provider: as a whole, and by kind of token. */
export interface Revocation {
  readonly upstream: UpstreamRevocation
  /** Absent where that was not kept. */
  readonly told?: ToldTokens | undefined
}

export type GrantState = GrantStatus['state']

/** Ciphertext; see seal.ts for what it is bound to. */
export type Sealed = Uint8Array

export interface HeldRefreshToken {
  readonly sealed: Sealed
  /** Keyed hash; two refresh tokens are the same when these are. */
  readonly fingerprint: string
  /** UTC ms. */
  readonly receivedAt: number
  /** Store time of the first send that spent it; a reuse window counts from there. */
  readonly spent?: { readonly at: number; readonly boot: string } | undefined
}

/** An answer that was bought with a refresh token which the grant no longer held. Never dropped: it may be the live one. */
export interface Candidate {
  /** The attempt that brought it; the fingerprint of the refresh token where that was the present one before. */
  readonly id: string
  /** Fence of that attempt, or of the record when it ceased to be the present one. */
  readonly fence: number
  /** Fingerprint of the refresh token it was bought with. */
  readonly parent: string
  readonly refreshToken: HeldRefreshToken
  /** The access token that came with it; its fence is the attempt's. */
  readonly token?: Omit<TokenRow, 'generation' | 'fence'> | undefined
}

/** One access token of a grant: the newest for its scope and resource. */
export interface TokenRow {
  /** The scope that was asked for, sorted and joined by spaces; empty for the grant's own. */
  readonly scope: string
  /** RFC 8707 resource that was asked for; empty for the grant's own. */
  readonly resource: string
  /** Counts the access tokens issued for this grant, scope and resource, from 1. */
  readonly generation: number
  readonly sealed: Sealed
  readonly type: string
  /** UTC ms, read before the request was sent. */
  readonly obtainedAt: number
  /** UTC ms. */
  readonly expiresAt: number
  /** Milliseconds. */
  readonly lifetime: number
  readonly lifetimeFrom: 'stated' | 'jwt' | 'introspection' | 'assumed'
  /** What was granted. */
  readonly grantedScope: readonly string[]
  /** Fence of its writer. */
  readonly fence: number
  /** UTC ms at which a reader reported that the API refused it. */
  readonly rejectedAt?: number | undefined
}

/** A refresh that was begun and has no verdict yet. Written before anything is sent. */
export interface Attempt {
  readonly id: string
  readonly fence: number
  /** Fingerprint of the refresh token it spends; `none` where the grant has none. */
  readonly parent: string
  readonly owner: string
  /** Store time of the moment before the send; absent proves that nothing left. */
  readonly sentAt?: number | undefined
  /** The boot in which `sentAt` was read. */
  readonly boot: string
  /** Nothing more can come from the process that sent it, nor from its spool. */
  readonly localDone: boolean
  /** Id of the spool in which its answer would stand; empty where there is none. */
  readonly spool: string
}

export interface Lease {
  readonly owner: string
  /** Store time. */
  readonly until: number
  readonly boot: string
}

export interface LastError {
  readonly code: ErrorCode
  readonly message: string
  /** UTC ms. */
  readonly at: number
  /** The provider's own `error`, where it gave one. */
  readonly error?: string | undefined
  /** The provider's own `error_description`, bounded. */
  readonly errorDescription?: string | undefined
  readonly status?: number | undefined
}

/** When a grant is next worked on, and how the last tries went. Kept apart from the sealed payload. */
export interface Schedule {
  /** Store time; null when nothing is to be done by itself. */
  readonly dueAt: number | null
  /** Store time before which only takeovers, manual refreshes and first rejections go ahead; 0 for none. */
  readonly backoffUntil: number
  /** Failures in a row. */
  readonly failures: number
  readonly lastError?: LastError | undefined
  /** UTC ms. */
  readonly lastAttemptAt?: number | undefined
  /** UTC ms. */
  readonly lastSuccessAt?: number | undefined
  /** UTC ms of the last refresh made because an API refused a token. */
  readonly lastRejectionAt?: number | undefined
}

/** One grant as the store holds it. Immutable: a change makes a new one, and equal parts stay the same objects. */
export interface GrantRecord {
  readonly id: string
  readonly labels: Readonly<Record<string, string>>
  readonly grantType: GrantType
  /** Host of the token endpoint, or the issuer: for people. */
  readonly provider: string
  /** Provider and client whose breaker and rate this grant shares with others (circuit.ts). */
  readonly circuit: string
  readonly facts: LifetimeFacts
  /** Milliseconds; replaces the default advisory window. */
  readonly refreshBefore?: number | undefined
  /** UTC ms. */
  readonly createdAt: number
  /** UTC ms of the last change a person made. */
  readonly updatedAt: number
  readonly definition: Sealed
  /** Keyed hash of the definition: tells whether a configuration changed without opening it. */
  readonly definitionFingerprint: string
  /**
   * The private key that this grant's tokens are bound to (RFC 9449), where they are to be. Made with the grant, and its own:
   * the definition is made anew of a configuration, and with another key a refresh token would be worth nothing.
   */
  readonly proofKey?: Sealed | undefined
  readonly status: GrantStatus
  /** Counts consents. */
  readonly epoch: number
  /** Only grows; whoever claims raises it, and an older one can no longer send. */
  readonly fence: number
  readonly lease?: Lease | undefined
  readonly refreshToken?: HeldRefreshToken | undefined
  readonly previousRefreshToken?: HeldRefreshToken | undefined
  /** Newest last. */
  readonly candidates: readonly Candidate[]
  /** Keyed hash of the `sub` that the provider names in its id_token, where it does. */
  readonly subject?: string | undefined
  /** UTC ms of the present login: its consent or import. */
  readonly loginAt?: number | undefined
  /** UTC ms at which the refresh token dies by age, where the provider said so. */
  readonly refreshTokenExpiresAt?: number | undefined
  readonly schedule: Schedule
  readonly tokens: readonly TokenRow[]
  /** Attempts without a verdict. */
  readonly attempts: readonly Attempt[]
  /** What a person was to know, oldest first; one of a kind for an epoch. */
  readonly notices: readonly Notice[]
}

/** Which of a grant's tokens. */
export interface TokenKey {
  readonly scope: string
  readonly resource: string
}

export const ownToken: TokenKey = Object.freeze({ scope: '', resource: '' })

/** The key for a scope and a resource as a caller writes them; order and repetition of scopes do not matter. */
export function tokenKey(
  scope?: string | readonly string[] | undefined,
  resource?: string | undefined,
): TokenKey {
  if (scope === undefined && resource === undefined) return ownToken
  const names = typeof scope === 'string' ? scope.split(' ') : (scope ?? [])
  const sorted = [...new Set(names.filter((name) => name !== ''))].sort()
  return { scope: sorted.join(' '), resource: resource ?? '' }
}

export const findToken = (record: Pick<GrantRecord, 'tokens'>, key: TokenKey): TokenRow | undefined =>
  record.tokens.find((token) => token.scope === key.scope && token.resource === key.resource)

/** Whether anything may be sent for this grant. */
export function refreshes(status: GrantStatus): boolean {
  switch (status.state) {
    case 'active':
    case 'suspect':
      return true
    case 'pending':
    case 'reauthorization_required':
    case 'paused':
    case 'quarantined':
    case 'revoking':
    case 'revoked':
      return false
    default:
      return status satisfies never
  }
}

/** Whether a token that has not expired is handed out. */
export function serves(status: GrantStatus): boolean {
  switch (status.state) {
    case 'active':
    case 'suspect':
    case 'reauthorization_required':
      return true
    case 'pending':
    case 'paused':
    case 'quarantined':
    case 'revoking':
    case 'revoked':
      return false
    default:
      return status satisfies never
  }
}

/** Fingerprint that attempts without a refresh token carry. */
export const noRefreshToken = 'none'

export const parentOf = (record: GrantRecord): string => record.refreshToken?.fingerprint ?? noRefreshToken

/** How near the grant's own token is to its end; a grant without one counts as expired. */
export function ownFreshness(record: GrantRecord, utc: number): ReturnType<typeof freshness> {
  const own = findToken(record, ownToken)
  return own === undefined ? 'expired' : freshness(own, record.refreshBefore, utc)
}

/**
 * Store time at which the grant is to be refreshed by itself; null where never. `before`: the record before the answer
 * that has just come.
 */
export function dueAt(
  record: GrantRecord,
  utc: number,
  storeNow: number,
  before?: GrantRecord | undefined,
): number | null {
  const wait = dueIn(record, utc, before)
  return wait === null ? null : storeNow + wait
}

/** An operator stops the grant: nothing is refreshed and nothing served until it is resumed. */
export function pause(record: GrantRecord, utc: number): GrantRecord {
  if (record.status.state === 'paused') return record
  return {
    ...record,
    status: { state: 'paused' },
    fence: record.fence + 1,
    lease: undefined,
    schedule: { ...record.schedule, dueAt: null },
    updatedAt: utc,
  }
}

/** Whether an operator can let the grant go on: where tokens are minted a refusal loses nothing, and may have been mended. */
const isResumable = ({ status: { state }, grantType }: GrantRecord): boolean =>
  state === 'paused' || state === 'quarantined' || (state === 'reauthorization_required' && mints(grantType))

/**
 * The grant goes on where it stood; a token that is still good is served at once. Also ends a quarantine, and lets a grant whose
 * tokens are minted try again after its provider had refused for certain.
 */
export function resume(record: GrantRecord, utc: number, storeNow: number): GrantRecord {
  if (!isResumable(record)) return record
  const { state } = record.status
  const decided = state === 'quarantined' ? decidedFor(record) : record
  // A send of unknown end is looked after at once: its reuse window may be about to close.
  const recovers =
    state === 'reauthorization_required' || record.attempts.some(({ sentAt }) => sentAt !== undefined)
  return {
    ...decided,
    status: { state: 'active' },
    fence: record.fence + 1,
    lease: undefined,
    schedule: {
      ...record.schedule,
      dueAt: recovers ? storeNow : dueAt(decided, utc, storeNow),
      backoffUntil: 0,
    },
    updatedAt: utc,
  }
}

/**
 * What came during a quarantine holds: a refresh token that has a child is spent, and sending it again could end the
 * login; and whom the next answer is for, the operator has decided to trust.
 */
function decidedFor(record: GrantRecord): GrantRecord {
  const child = record.candidates.findLast(({ parent }) => parent === parentOf(record))
  if (child === undefined) return { ...record, subject: undefined }
  return { ...withCandidate(record, child), previousRefreshToken: record.refreshToken, subject: undefined }
}

/** A row of this grant does not decrypt: it is set aside until an operator decides, unless its login is over anyway. */
export function quarantine(record: GrantRecord, reason: string, utc: number): GrantRecord {
  if (record.status.state === 'revoking' || record.status.state === 'revoked') return record
  const aside: GrantRecord = {
    ...record,
    status: { state: 'quarantined', reason },
    fence: record.fence + 1,
    lease: undefined,
    schedule: { ...record.schedule, dueAt: null },
    updatedAt: utc,
  }
  return notify(aside, 'quarantined', reason, utc)
}
