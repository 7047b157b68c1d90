import type { SQLOutputValue } from 'node:sqlite'
import type {
  Attempt,
  GrantRecord,
  GrantStatus,
  GrantType,
  HeldRefreshToken,
  LastError,
  ReplayClass,
  TokenRow,
} from '../../grants/grant.ts'

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>

const text = (value: SQLOutputValue | undefined): string => String(value)
const number = (value: SQLOutputValue | undefined): number => Number(value)
const optional = (value: SQLOutputValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value)
const bytes = (value: SQLOutputValue | undefined): Uint8Array => value as Uint8Array
const json = <T>(value: SQLOutputValue | undefined): T => JSON.parse(String(value)) as T

function heldToken(
  row: Row,
  sealed: string,
  fingerprint: string,
  receivedAt: string,
): HeldRefreshToken | undefined {
  if (row[sealed] === null || row[sealed] === undefined) return undefined
  return {
    sealed: bytes(row[sealed]),
    fingerprint: text(row[fingerprint]),
    receivedAt: number(row[receivedAt]),
  }
}

/** Puts a record together from its rows as `Statements.load` reads them; undefined when there are none. */
export function recordFrom(rows: readonly Row[]): GrantRecord | undefined {
  const row = rows[0]
  if (row === undefined) return undefined
  return {
    id: text(row.id),
    labels: json(row.labels),
    grantType: text(row.grant_type) as GrantType,
    provider: text(row.provider),
    replayClass: text(row.replay_class) as ReplayClass,
    refreshBefore: optional(row.refresh_before),
    createdAt: number(row.created_at),
    updatedAt: number(row.updated_at),
    definition: bytes(row.definition),
    definitionFingerprint: text(row.definition_fingerprint),
    status: json<GrantStatus>(row.status),
    epoch: number(row.epoch),
    fence: number(row.fence),
    lease:
      row.owner === null
        ? undefined
        : { owner: text(row.owner), until: number(row.lease_until), boot: text(row.lease_boot) },
    refreshToken: heldToken(row, 'refresh_token', 'refresh_token_fingerprint', 'refresh_token_received_at'),
    previousRefreshToken: heldToken(
      row,
      'previous_refresh_token',
      'previous_fingerprint',
      'previous_received_at',
    ),
    schedule: {
      dueAt: row.due_at === null ? null : number(row.due_at),
      backoffUntil: number(row.backoff_until),
      failures: number(row.failures),
      lastError: row.last_error === null ? undefined : json<LastError>(row.last_error),
      lastAttemptAt: optional(row.last_attempt_at),
      lastSuccessAt: optional(row.last_success_at),
      lastRejectionAt: optional(row.last_rejection_at),
    },
    tokens: row.generation === null ? [] : rows.map(tokenFrom),
    attempts: json<Row[]>(row.attempts).map(attemptFrom),
  }
}

const tokenFrom = (row: Row): TokenRow => ({
  scope: text(row.scope),
  resource: text(row.resource),
  generation: number(row.generation),
  sealed: bytes(row.sealed),
  type: text(row.type),
  obtainedAt: number(row.obtained_at),
  expiresAt: number(row.expires_at),
  lifetime: number(row.lifetime),
  lifetimeFrom: text(row.lifetime_from) as TokenRow['lifetimeFrom'],
  grantedScope: json(row.granted_scope),
  fence: number(row.token_fence),
  rejectedAt: optional(row.rejected_at),
})

const attemptFrom = (row: Row): Attempt => ({
  id: text(row.id),
  fence: number(row.fence),
  parent: text(row.parent),
  owner: text(row.owner),
  sentAt: optional(row.sent_at),
  boot: text(row.boot),
  localDone: number(row.local_done) === 1,
})
