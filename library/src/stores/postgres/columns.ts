import type { Attempt, Candidate, GrantRecord, HeldRefreshToken, TokenRow } from '../../grants/grant.ts'
import type { Notice } from '../../grants/notice.ts'

/*
 * Records as rows to be written: objects with a member for each column, which travel as one JSON text and become rows
 * again by json_to_recordset. One parameter for any number of rows, and no text of a statement depends on it.
 */

/** Name and type of each column, in the order of the table. */
export type Columns = readonly (readonly [name: string, type: string])[]

export const grantColumns: Columns = [
  ['id', 'text'],
  ['labels', 'jsonb'],
  ['grant_type', 'text'],
  ['provider', 'text'],
  ['circuit', 'text'],
  ['facts', 'jsonb'],
  ['refresh_before', 'bigint'],
  ['created_at', 'bigint'],
  ['updated_at', 'bigint'],
  ['definition', 'bytea'],
  ['definition_fingerprint', 'text'],
  ['status', 'jsonb'],
  ['epoch', 'bigint'],
  ['refresh_token', 'bytea'],
  ['refresh_token_fingerprint', 'text'],
  ['refresh_token_received_at', 'bigint'],
  ['refresh_token_spent_at', 'bigint'],
  ['refresh_token_spent_boot', 'text'],
  ['previous_refresh_token', 'bytea'],
  ['previous_fingerprint', 'text'],
  ['previous_received_at', 'bigint'],
  ['previous_spent_at', 'bigint'],
  ['previous_spent_boot', 'text'],
  ['candidates', 'jsonb'],
  ['subject', 'text'],
  ['login_at', 'bigint'],
  ['refresh_token_expires_at', 'bigint'],
  ['proof_key', 'bytea'],
]

/** What a refresh changes of a grant, without what describes it, which is the larger part. */
export const loginColumns: Columns = grantColumns.filter(
  ([name]) =>
    name === 'id' ||
    /^(updated_at|status|epoch|refresh_token.*|previous_.*|candidates|subject|login_at)$/.test(name),
)

export const scheduleColumns: Columns = [
  ['grant_id', 'text'],
  ['due_at', 'bigint'],
  ['backoff_until', 'bigint'],
  ['failures', 'integer'],
  ['last_error', 'jsonb'],
  ['last_attempt_at', 'bigint'],
  ['last_success_at', 'bigint'],
  ['last_rejection_at', 'bigint'],
  ['fence', 'bigint'],
  ['owner', 'text'],
  ['lease_until', 'bigint'],
  ['lease_boot', 'text'],
  ['attempts', 'jsonb'],
]

export const tokenColumns: Columns = [
  ['grant_id', 'text'],
  ['scope', 'text'],
  ['resource', 'text'],
  ['generation', 'bigint'],
  ['sealed', 'bytea'],
  ['type', 'text'],
  ['obtained_at', 'bigint'],
  ['expires_at', 'bigint'],
  ['lifetime', 'bigint'],
  ['lifetime_from', 'text'],
  ['granted_scope', 'jsonb'],
  ['fence', 'bigint'],
  ['rejected_at', 'bigint'],
]

export const supersededColumns: Columns = [
  ['grant_id', 'text'],
  ['fingerprint', 'text'],
  ['sealed', 'bytea'],
  ['received_at', 'bigint'],
  ['spent_at', 'bigint'],
  ['spent_boot', 'text'],
]

export const noticeColumns: Columns = [
  ['grant_id', 'text'],
  ['kind', 'text'],
  ['epoch', 'bigint'],
  ['at', 'bigint'],
  ['message', 'text'],
]

/** A row as it is written. */
export type Written = Readonly<Record<string, unknown>>

/** Columns take whole numbers only; a millisecond more or less is nothing here. */
export const whole = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Math.round(value)

/** Bytes as PostgreSQL reads them. */
const hex = (bytes: Uint8Array): string =>
  `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`

export const grantRow = (record: GrantRecord): Written => ({
  ...loginRow(record),
  labels: record.labels,
  grant_type: record.grantType,
  provider: record.provider,
  circuit: record.circuit,
  facts: record.facts,
  refresh_before: whole(record.refreshBefore),
  created_at: whole(record.createdAt),
  definition: hex(record.definition),
  definition_fingerprint: record.definitionFingerprint,
  proof_key: record.proofKey && hex(record.proofKey),
})

export const loginRow = (record: GrantRecord): Written => {
  const { refreshToken: token, previousRefreshToken: previous } = record
  return {
    id: record.id,
    updated_at: whole(record.updatedAt),
    status: record.status,
    epoch: record.epoch,
    refresh_token: token && hex(token.sealed),
    refresh_token_fingerprint: token?.fingerprint,
    refresh_token_received_at: whole(token?.receivedAt),
    refresh_token_spent_at: whole(token?.spent?.at),
    refresh_token_spent_boot: token?.spent?.boot,
    previous_refresh_token: previous && hex(previous.sealed),
    previous_fingerprint: previous?.fingerprint,
    previous_received_at: whole(previous?.receivedAt),
    previous_spent_at: whole(previous?.spent?.at),
    previous_spent_boot: previous?.spent?.boot,
    candidates: record.candidates.length === 0 ? null : record.candidates.map(candidateJson),
    subject: record.subject,
    login_at: whole(record.loginAt),
    refresh_token_expires_at: whole(record.refreshTokenExpiresAt),
  }
}

export const scheduleRow = ({ id, schedule, fence, lease, attempts }: GrantRecord): Written => ({
  grant_id: id,
  due_at: whole(schedule.dueAt),
  backoff_until: whole(schedule.backoffUntil),
  failures: schedule.failures,
  last_error: schedule.lastError,
  last_attempt_at: whole(schedule.lastAttemptAt),
  last_success_at: whole(schedule.lastSuccessAt),
  last_rejection_at: whole(schedule.lastRejectionAt),
  fence,
  owner: lease?.owner,
  lease_until: whole(lease?.until),
  lease_boot: lease?.boot,
  attempts: attempts.length === 0 ? null : attempts,
})

export const tokenRow = (grant: string, token: TokenRow): Written => ({
  grant_id: grant,
  scope: token.scope,
  resource: token.resource,
  generation: token.generation,
  sealed: hex(token.sealed),
  type: token.type,
  obtained_at: whole(token.obtainedAt),
  expires_at: whole(token.expiresAt),
  lifetime: whole(token.lifetime),
  lifetime_from: token.lifetimeFrom,
  granted_scope: token.grantedScope,
  fence: token.fence,
  rejected_at: whole(token.rejectedAt),
})

export const supersededRow = (grant: string, token: HeldRefreshToken): Written => ({
  grant_id: grant,
  fingerprint: token.fingerprint,
  sealed: hex(token.sealed),
  received_at: whole(token.receivedAt),
  spent_at: whole(token.spent?.at),
  spent_boot: token.spent?.boot,
})

export const noticeRow = (grant: string, { kind, epoch, at, message }: Notice): Written => ({
  grant_id: grant,
  kind,
  epoch,
  at: whole(at),
  message,
})

const candidateJson = (candidate: Candidate): unknown => ({
  ...candidate,
  refreshToken: { ...candidate.refreshToken, sealed: base64(candidate.refreshToken.sealed) },
  token: candidate.token && { ...candidate.token, sealed: base64(candidate.token.sealed) },
})

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
const fromBase64 = (text: unknown): Uint8Array => new Uint8Array(Buffer.from(String(text), 'base64'))

/** Columns of {@link recordFrom}, after the time: of the grant, its schedule, its notices, and one of its tokens. */
export const readColumns = [
  ...grantColumns.map(([name]) => `grants.${name}`),
  ...scheduleColumns.slice(1).map(([name]) => `schedule.${name}`),
  'notices.said',
  ...tokenColumns.slice(1).map(([name]) => `tokens.${name}`),
]

type Row = readonly unknown[]

const optional = <T>(value: unknown): T | undefined => (value === null ? undefined : (value as T))

const held = (row: Row, at: number): HeldRefreshToken | undefined =>
  row[at] === null
    ? undefined
    : {
        sealed: row[at] as Uint8Array,
        fingerprint: row[at + 1] as string,
        receivedAt: row[at + 2] as number,
        spent: row[at + 3] === null ? undefined : { at: row[at + 3] as number, boot: row[at + 4] as string },
      }

const scheduleAt = grantColumns.length
const noticesAt = scheduleAt + scheduleColumns.length - 1
const tokenAt = noticesAt + 1

/** The record of neighbouring rows, which differ in their token only. `row` begins with the columns of `grants`. */
export function recordFrom(rows: readonly Row[]): GrantRecord {
  const row = rows[0] as Row
  const at = scheduleAt
  return {
    id: row[0] as string,
    labels: row[1] as GrantRecord['labels'],
    grantType: row[2] as GrantRecord['grantType'],
    provider: row[3] as string,
    circuit: row[4] as string,
    facts: row[5] as GrantRecord['facts'],
    refreshBefore: optional(row[6]),
    createdAt: row[7] as number,
    updatedAt: row[8] as number,
    definition: row[9] as Uint8Array,
    definitionFingerprint: row[10] as string,
    status: row[11] as GrantRecord['status'],
    epoch: row[12] as number,
    refreshToken: held(row, 13),
    previousRefreshToken: held(row, 18),
    candidates: ((row[23] as Candidate[] | null) ?? []).map(candidateFrom),
    subject: optional(row[24]),
    loginAt: optional(row[25]),
    refreshTokenExpiresAt: optional(row[26]),
    proofKey: optional(row[27]),
    schedule: {
      dueAt: row[at] as number | null,
      backoffUntil: row[at + 1] as number,
      failures: row[at + 2] as number,
      lastError: optional(row[at + 3]),
      lastAttemptAt: optional(row[at + 4]),
      lastSuccessAt: optional(row[at + 5]),
      lastRejectionAt: optional(row[at + 6]),
    },
    fence: row[at + 7] as number,
    lease:
      row[at + 8] === null
        ? undefined
        : { owner: row[at + 8] as string, until: row[at + 9] as number, boot: row[at + 10] as string },
    attempts: (row[at + 11] as Attempt[] | null) ?? [],
    notices: (row[noticesAt] as Notice[] | null) ?? [],
    tokens: row[tokenAt] === null ? [] : rows.map(tokenFrom),
  }
}

const tokenFrom = (row: Row): TokenRow => ({
  scope: row[tokenAt] as string,
  resource: row[tokenAt + 1] as string,
  generation: row[tokenAt + 2] as number,
  sealed: row[tokenAt + 3] as Uint8Array,
  type: row[tokenAt + 4] as string,
  obtainedAt: row[tokenAt + 5] as number,
  expiresAt: row[tokenAt + 6] as number,
  lifetime: row[tokenAt + 7] as number,
  lifetimeFrom: row[tokenAt + 8] as TokenRow['lifetimeFrom'],
  grantedScope: row[tokenAt + 9] as string[],
  fence: row[tokenAt + 10] as number,
  rejectedAt: optional(row[tokenAt + 11]),
})

const candidateFrom = (stored: Candidate): Candidate => ({
  ...stored,
  refreshToken: { ...stored.refreshToken, sealed: fromBase64(stored.refreshToken.sealed) },
  token: stored.token && { ...stored.token, sealed: fromBase64(stored.token.sealed) },
})
