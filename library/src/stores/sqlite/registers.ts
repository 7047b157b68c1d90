import type { Circuit } from '../../grants/circuit.ts'
import type { NoticeKind } from '../../grants/notice.ts'
import type { ApiKey, Consent, SpoolRegistration, StoredNotice } from '../../grants/store.ts'
import type { Statements } from './statements.ts'

/* Everything in the store that is not a grant's own row, one register after the other. */

export function putConsent(statements: Statements, consent: Consent, utc: number): void {
  statements.sql('DELETE FROM consents WHERE expires_at <= ?').run(utc)
  statements
    .sql('INSERT INTO consents (state_hash, grant_id, sealed, expires_at) VALUES (?, ?, ?, ?)')
    .run(consent.stateHash, consent.grant, consent.sealed, Math.round(consent.expiresAt))
}

export function takeConsent(statements: Statements, stateHash: string): Consent | undefined {
  const row = statements
    .sql('DELETE FROM consents WHERE state_hash = ? RETURNING grant_id, sealed, expires_at')
    .get(stateHash)
  if (row === undefined) return undefined
  return {
    stateHash,
    grant: String(row.grant_id),
    sealed: row.sealed as Uint8Array,
    expiresAt: Number(row.expires_at),
  }
}

export function putApiKey(statements: Statements, key: ApiKey): void {
  statements
    .sql('INSERT OR REPLACE INTO api_keys (id, label, rights, hash, created_at) VALUES (?, ?, ?, ?, ?)')
    .run(key.id, key.label, key.rights, key.hash, Math.round(key.createdAt))
}

export function findApiKey(statements: Statements, id: string): ApiKey | undefined {
  const row = statements.sql('SELECT * FROM api_keys WHERE id = ?').get(id)
  if (row === undefined) return undefined
  return {
    id,
    label: String(row.label),
    rights: row.rights === 'administer' ? 'administer' : 'read',
    hash: String(row.hash),
    createdAt: Number(row.created_at),
  }
}

export function readCircuit(statements: Statements, key: string): Circuit | undefined {
  const row = statements.sql('SELECT state FROM circuits WHERE key = ?').get(key)
  return row === undefined ? undefined : (JSON.parse(String(row.state)) as Circuit)
}

export function writeCircuit(statements: Statements, key: string, circuit: Circuit): void {
  statements
    .sql('INSERT OR REPLACE INTO circuits (key, state) VALUES (?, ?)')
    .run(key, JSON.stringify(circuit))
}

export const noticesAfter = (statements: Statements, after: number, limit: number): StoredNotice[] =>
  statements
    .sql(
      'SELECT number, grant_id, kind, epoch, at, message FROM notices WHERE number > ? ORDER BY number LIMIT ?',
    )
    .all(after, limit)
    .map((row) => ({
      number: Number(row.number),
      grant: String(row.grant_id),
      kind: String(row.kind) as NoticeKind,
      epoch: Number(row.epoch),
      at: Number(row.at),
      message: String(row.message),
    }))

/** A host that was given up and is back is a host again. */
export function registerSpool(statements: Statements, spool: Omit<SpoolRegistration, 'retiredAt'>): void {
  statements
    .sql('INSERT OR REPLACE INTO spools (id, host, folder, seen_at, retired_at) VALUES (?, ?, ?, ?, NULL)')
    .run(spool.id, spool.host, spool.folder, Math.round(spool.seenAt))
}

export const listSpools = (statements: Statements): SpoolRegistration[] =>
  statements
    .sql('SELECT * FROM spools ORDER BY seen_at DESC, id')
    .all()
    .map((row) => {
      const spool = {
        id: String(row.id),
        host: String(row.host),
        folder: String(row.folder),
        seenAt: Number(row.seen_at),
      }
      return row.retired_at === null ? spool : { ...spool, retiredAt: Number(row.retired_at) }
    })

export const retireSpool = (statements: Statements, id: string, utc: number): boolean =>
  statements.sql('UPDATE spools SET retired_at = ? WHERE id = ?').run(Math.round(utc), id).changes > 0

export const grantsAttemptedFrom = (statements: Statements, spool: string): string[] =>
  statements
    .sql(
      `SELECT DISTINCT grant_id FROM schedule, json_each(attempts)
       WHERE attempts IS NOT NULL AND value ->> 'spool' = ? AND value ->> 'spool' <> '' ORDER BY grant_id`,
    )
    .all(spool)
    .map((row) => String(row.grant_id))
