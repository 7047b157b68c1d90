import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Attempt, Candidate, GrantRecord, HeldRefreshToken, TokenRow } from '../../grants/grant.ts'
import { loadedNotices, newNotices } from '../new-notices.ts'
import { departures, supersededFor } from '../superseded.ts'
import { type Row, recordFrom, supersededFrom } from './rows.ts'

/** STRICT columns take whole numbers only; a millisecond more or less is nothing here. */
const whole = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Math.round(value)

const held = (token: HeldRefreshToken | undefined): SQLInputValue[] => [
  token?.sealed ?? null,
  token?.fingerprint ?? null,
  whole(token?.receivedAt),
  whole(token?.spent?.at),
  token?.spent?.boot ?? null,
]

const grantValues = (record: GrantRecord): SQLInputValue[] => [
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
  JSON.stringify(record.status),
  record.epoch,
  ...held(record.refreshToken),
  ...held(record.previousRefreshToken),
  record.subject ?? null,
  whole(record.loginAt),
  whole(record.refreshTokenExpiresAt),
]

const grantColumns = [
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
]

const scheduleValues = ({ schedule, fence, lease }: GrantRecord): SQLInputValue[] => [
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
]

const scheduleColumns = [
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
]

const insert = (table: string, key: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${[key, ...columns].join(', ')}) VALUES (${'?, '.repeat(columns.length)}?)`
const update = (table: string, key: string, columns: readonly string[]): string =>
  `UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE ${key} = ?`

/** A row for each token, or one without when there is none. Columns of one name in two tables get another. */
const wholeGrant = `
SELECT grants.*, schedule.*,
  (SELECT json_group_array(json_object('id', id, 'fence', fence, 'parent', parent, 'owner', owner, 'sent_at', sent_at,
     'boot', boot, 'local_done', local_done, 'spool', spool) ORDER BY fence)
   FROM attempts WHERE attempts.grant_id = grants.id) AS attempts,
  (SELECT json_group_array(json_object('id', id, 'fence', fence, 'parent', parent, 'refresh_token', hex(refresh_token),
     'fingerprint', fingerprint, 'received_at', received_at, 'spent_at', spent_at, 'spent_boot', spent_boot,
     'token', token, 'token_sealed', hex(token_sealed)) ORDER BY place)
   FROM candidates WHERE candidates.grant_id = grants.id) AS candidates,
  (SELECT json_group_array(json_object('kind', kind, 'epoch', epoch, 'at', at, 'message', message))
   FROM (SELECT * FROM notices WHERE notices.grant_id = grants.id AND current = 1
     ORDER BY number DESC LIMIT ${loadedNotices})) AS notices,
  scope, resource, generation, sealed, type, obtained_at, expires_at, lifetime, lifetime_from, granted_scope,
  tokens.fence AS token_fence, rejected_at
FROM grants JOIN schedule ON schedule.grant_id = grants.id LEFT JOIN tokens ON tokens.grant_id = grants.id
WHERE grants.id = ? ORDER BY scope, resource`

/** Every statement on grants, prepared when first needed: a process that only reads prepares few. */
export class Statements {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  sql(text: string): StatementSync {
    let statement = this.#prepared.get(text)
    if (statement === undefined) {
      statement = this.#database.prepare(text)
      this.#prepared.set(text, statement)
    }
    return statement
  }

  /** In one statement, so that what is put together was all there at one moment, outside a transaction too. */
  load(id: string): GrantRecord | undefined {
    return recordFrom(this.sql(wholeGrant).all(id) as Row[])
  }

  page(after: string, limit: number): GrantRecord[] {
    const ids = this.sql('SELECT id FROM grants WHERE id > ? ORDER BY id LIMIT ?').all(after, limit)
    return ids.flatMap(({ id }) => this.load(String(id)) ?? [])
  }

  remove(id: string): void {
    this.sql('DELETE FROM grants WHERE id = ?').run(id)
    this.sql('UPDATE notices SET current = 0 WHERE grant_id = ? AND current = 1').run(id)
  }

  superseded(id: string, utc: number): HeldRefreshToken[] {
    return this.sql(
      'SELECT * FROM superseded WHERE grant_id = ? AND received_at > ? ORDER BY received_at DESC, fingerprint',
    )
      .all(id, Math.round(utc - supersededFor))
      .map((row) => supersededFrom(row as Row))
  }

  /** Writes what differs: equal parts of two records are the same objects. */
  save(before: GrantRecord | undefined, after: GrantRecord, utc: number): void {
    const { id } = after
    if (before === undefined) {
      this.sql(insert('grants', 'id', grantColumns)).run(id, ...grantValues(after))
      this.sql(insert('schedule', 'grant_id', scheduleColumns)).run(id, ...scheduleValues(after))
    } else {
      if (grantPartDiffers(before, after))
        this.sql(update('grants', 'id', grantColumns)).run(...grantValues(after), id)
      this.sql(update('schedule', 'grant_id', scheduleColumns)).run(...scheduleValues(after), id)
    }
    this.#saveTokens(id, before?.tokens ?? [], after.tokens)
    this.#saveAttempts(id, before?.attempts ?? [], after.attempts)
    this.#saveCandidates(id, before?.candidates ?? [], after.candidates)
    this.#saveSuperseded(before, after, utc)
    for (const { kind, epoch, at, message } of newNotices(before, after))
      this.sql(
        'INSERT INTO notices (grant_id, kind, epoch, at, message, current) VALUES (?, ?, ?, ?, ?, 1)',
      ).run(id, kind, epoch, whole(at), message)
  }

  #saveCandidates(id: string, before: readonly Candidate[], after: readonly Candidate[]): void {
    if (before === after) return
    for (const old of before)
      if (!after.some((candidate) => candidate.id === old.id))
        this.sql('DELETE FROM candidates WHERE grant_id = ? AND id = ?').run(id, old.id)
    after.forEach((candidate, place) => {
      if (before[place] === candidate) return
      const { token } = candidate
      this.sql('INSERT OR REPLACE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
        id,
        candidate.id,
        place,
        candidate.fence,
        candidate.parent,
        ...held(candidate.refreshToken),
        token === undefined ? null : JSON.stringify({ ...token, sealed: undefined }),
        token?.sealed ?? null,
      )
    })
  }

  #saveSuperseded(before: GrantRecord | undefined, after: GrantRecord, utc: number): void {
    const change = departures(before, after)
    if (change === undefined) return
    if (change.forgetsAll) this.sql('DELETE FROM superseded WHERE grant_id = ?').run(after.id)
    for (const fingerprint of change.present)
      this.sql('DELETE FROM superseded WHERE grant_id = ? AND fingerprint = ?').run(after.id, fingerprint)
    for (const { sealed, fingerprint, receivedAt, spent } of change.left)
      this.sql('INSERT OR REPLACE INTO superseded VALUES (?, ?, ?, ?, ?, ?)').run(
        after.id,
        fingerprint,
        sealed,
        whole(receivedAt),
        whole(spent?.at),
        spent?.boot ?? null,
      )
    if (change.left.length > 0)
      this.sql('DELETE FROM superseded WHERE received_at <= ?').run(Math.round(utc - supersededFor))
  }

  #saveTokens(id: string, before: readonly TokenRow[], after: readonly TokenRow[]): void {
    if (before === after) return
    for (const old of before)
      if (!after.some((token) => token.scope === old.scope && token.resource === old.resource))
        this.sql('DELETE FROM tokens WHERE grant_id = ? AND scope = ? AND resource = ?').run(
          id,
          old.scope,
          old.resource,
        )
    for (const token of after)
      if (!before.includes(token))
        this.sql('INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
          id,
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
        )
  }

  #saveAttempts(id: string, before: readonly Attempt[], after: readonly Attempt[]): void {
    if (before === after) return
    for (const old of before)
      if (!after.some((attempt) => attempt.id === old.id))
        this.sql('DELETE FROM attempts WHERE grant_id = ? AND id = ?').run(id, old.id)
    for (const attempt of after)
      if (!before.includes(attempt))
        this.sql('INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
          id,
          attempt.id,
          attempt.fence,
          attempt.parent,
          attempt.owner,
          whole(attempt.sentAt),
          attempt.boot,
          attempt.localDone ? 1 : 0,
          attempt.spool,
        )
  }
}

/** By identity where a part is an object: equal parts of two records are the same objects. */
const grantParts: readonly (keyof GrantRecord)[] = [
  'labels',
  'grantType',
  'provider',
  'circuit',
  'facts',
  'refreshBefore',
  'createdAt',
  'updatedAt',
  'definition',
  'definitionFingerprint',
  'status',
  'epoch',
  'refreshToken',
  'previousRefreshToken',
  'subject',
  'loginAt',
  'refreshTokenExpiresAt',
]

const grantPartDiffers = (before: GrantRecord, after: GrantRecord): boolean =>
  grantParts.some((part) => before[part] !== after[part])
