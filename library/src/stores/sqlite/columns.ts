import type { SQLInputValue } from 'node:sqlite'
import type { Attempt, GrantRecord, HeldRefreshToken, TokenRow } from '../../grants/grant.ts'

/* Which columns the tables of grants have, in the order in which they are written and read, and what goes into them. */

/** STRICT columns take whole numbers only; a millisecond more or less is nothing here. */
export const whole = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Math.round(value)

/** Of `grants`, after `id`: what only a person changes. */
export const definedColumns = [
  'labels',
  'grant_type',
  'provider',
  'circuit',
  'facts',
  'refresh_before',
  'created_at',
  'updated_at',
  'definition',
  'definition_fingerprint',
  'proof_key',
] as const

export const definedValues = (record: GrantRecord): SQLInputValue[] => [
  JSON.stringify(record.labels),
  record.grantType,
  record.provider,
  record.circuit,
  JSON.stringify(record.facts),
  whole(record.refreshBefore),
  whole(record.createdAt),
  whole(record.updatedAt),
  record.definition,
  record.definitionFingerprint,
  record.proofKey ?? null,
]

/** Of `grants`: what a refresh changes. */
export const loginColumns = [
  'status',
  'epoch',
  'refresh_token',
  'refresh_token_fingerprint',
  'refresh_token_received_at',
  'refresh_token_spent_at',
  'refresh_token_spent_boot',
  'previous_refresh_token',
  'previous_fingerprint',
  'previous_received_at',
  'previous_spent_at',
  'previous_spent_boot',
  'subject',
  'login_at',
  'refresh_token_expires_at',
] as const

export const loginValues = (record: GrantRecord): SQLInputValue[] => [
  JSON.stringify(record.status),
  record.epoch,
  ...heldValues(record.refreshToken),
  ...heldValues(record.previousRefreshToken),
  record.subject ?? null,
  whole(record.loginAt),
  whole(record.refreshTokenExpiresAt),
]

export const heldValues = (token: HeldRefreshToken | undefined): SQLInputValue[] => [
  token?.sealed ?? null,
  token?.fingerprint ?? null,
  whole(token?.receivedAt),
  whole(token?.spent?.at),
  token?.spent?.boot ?? null,
]

/** Of `schedule`, after `grant_id`. */
export const scheduleColumns = [
  'due_at',
  'backoff_until',
  'failures',
  'last_error',
  'last_attempt_at',
  'last_success_at',
  'last_rejection_at',
  'fence',
  'owner',
  'lease_until',
  'lease_boot',
  'attempts',
] as const

export const scheduleValues = ({ schedule, fence, lease, attempts }: GrantRecord): SQLInputValue[] => [
  whole(schedule.dueAt),
  whole(schedule.backoffUntil),
  schedule.failures,
  schedule.lastError === undefined ? null : JSON.stringify(schedule.lastError),
  whole(schedule.lastAttemptAt),
  whole(schedule.lastSuccessAt),
  whole(schedule.lastRejectionAt),
  fence,
  lease?.owner ?? null,
  whole(lease?.until),
  lease?.boot ?? null,
  attempts.length === 0 ? null : JSON.stringify(attempts satisfies readonly Attempt[]),
]

/** Of `tokens`, after `grant_id`. */
export const tokenColumns = [
  'scope',
  'resource',
  'generation',
  'sealed',
  'type',
  'obtained_at',
  'expires_at',
  'lifetime',
  'lifetime_from',
  'granted_scope',
  'fence',
  'rejected_at',
] as const

export const tokenValues = (token: TokenRow): SQLInputValue[] => [
  token.scope,
  token.resource,
  token.generation,
  token.sealed,
  token.type,
  whole(token.obtainedAt),
  whole(token.expiresAt),
  whole(token.lifetime),
  token.lifetimeFrom,
  JSON.stringify(token.grantedScope),
  token.fence,
  whole(token.rejectedAt),
]
