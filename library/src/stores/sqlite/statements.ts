import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Candidate, GrantRecord, HeldRefreshToken, TokenRow } from '../../grants/grant.ts'
import { loadedNotices, newNotices } from '../new-notices.ts'
import { departures, supersededFor } from '../superseded.ts'
import {
  definedColumns,
  definedValues,
  heldValues,
  loginColumns,
  loginValues,
  scheduleColumns,
  scheduleValues,
  tokenColumns,
  tokenValues,
  whole,
} from './columns.ts'
import { type Row, recordFrom, supersededFrom } from './rows.ts'

const insert = (table: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
const update = (table: string, key: string, columns: readonly string[]): string =>
  `UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE ${key} = ?`
const of = (table: string, columns: readonly string[]): string =>
  columns.map((column) => `${table}.${column}`).join(', ')

/** A row for each token, or one without when there is none, with the columns in the order of {@link recordFrom}. */
const wholeGrant = `
SELECT grants.id, ${of('grants', definedColumns)}, ${of('grants', loginColumns)}, ${of('schedule', scheduleColumns)},
  (SELECT json_group_array(json_object('id', id, 'fence', fence, 'parent', parent, 'refresh_token', hex(refresh_token),
     'fingerprint', fingerprint, 'received_at', received_at, 'spent_at', spent_at, 'spent_boot', spent_boot,
     'token', token, 'token_sealed', hex(token_sealed)) ORDER BY place)
   FROM candidates WHERE candidates.grant_id = grants.id) AS candidates,
  (SELECT json_group_array(json_object('kind', kind, 'epoch', epoch, 'at', at, 'message', message))
   FROM (SELECT * FROM notices WHERE notices.grant_id = grants.id AND current = 1
     ORDER BY number DESC LIMIT ${loadedNotices})) AS notices,
  ${of('tokens', tokenColumns)}
FROM grants JOIN schedule ON schedule.grant_id = grants.id LEFT JOIN tokens ON tokens.grant_id = grants.id
WHERE grants.id = ? ORDER BY tokens.scope, tokens.resource`

const insertGrant = insert('grants', ['id', ...definedColumns, ...loginColumns])
const insertSchedule = insert('schedule', ['grant_id', ...scheduleColumns])
const updateDefined = update('grants', 'id', definedColumns)
const updateLogin = update('grants', 'id', loginColumns)
const updateSchedule = update('schedule', 'grant_id', scheduleColumns)
const putToken = `${insert('tokens', ['grant_id', ...tokenColumns])} ON CONFLICT DO UPDATE
SET ${tokenColumns.map((column) => `${column} = excluded.${column}`).join(', ')}`

/** Milliseconds between two looks for superseded refresh tokens that are old enough to go. */
const sweepEvery = 60_000

/** Every statement on grants, prepared when first needed: a process that only reads prepares few. */
export class Statements {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()
  #wholeGrant: StatementSync | undefined
  #sweptAt = Number.NEGATIVE_INFINITY

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
    this.#wholeGrant ??= this.#database.prepare(wholeGrant)
    // An object for each row would have some sixty members.
    this.#wholeGrant.setReturnArrays(true)
    return recordFrom(this.#wholeGrant.all(id) as unknown as SQLOutputValue[][])
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
      this.sql(insertGrant).run(id, ...definedValues(after), ...loginValues(after))
      this.sql(insertSchedule).run(id, ...scheduleValues(after))
    } else {
      if (differ(definedParts, before, after)) this.sql(updateDefined).run(...definedValues(after), id)
      if (differ(loginParts, before, after)) this.sql(updateLogin).run(...loginValues(after), id)
      if (differ(scheduleParts, before, after)) this.sql(updateSchedule).run(...scheduleValues(after), id)
    }
    this.#saveTokens(id, before?.tokens ?? [], after.tokens)
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
        ...heldValues(candidate.refreshToken),
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
    // What is old is not given out; it may lie there for a while.
    if (change.left.length === 0 || Math.abs(utc - this.#sweptAt) < sweepEvery) return
    this.#sweptAt = utc
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
    for (const token of after) if (!before.includes(token)) this.sql(putToken).run(id, ...tokenValues(token))
  }
}

/** By identity where a part is an object: equal parts of two records are the same objects. */
const definedParts: readonly (keyof GrantRecord)[] = [
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
  'proofKey',
]
const loginParts: readonly (keyof GrantRecord)[] = [
  'status',
  'epoch',
  'refreshToken',
  'previousRefreshToken',
  'subject',
  'loginAt',
  'refreshTokenExpiresAt',
]
const scheduleParts: readonly (keyof GrantRecord)[] = ['schedule', 'fence', 'lease', 'attempts']

const differ = (parts: readonly (keyof GrantRecord)[], before: GrantRecord, after: GrantRecord): boolean =>
  parts.some((part) => before[part] !== after[part])
