import { loadedNotices } from '../new-notices.ts'
import {
  type Columns,
  grantColumns,
  loginColumns,
  noticeColumns,
  readColumns,
  scheduleColumns,
  supersededColumns,
  tokenColumns,
} from './columns.ts'

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
}

/** The statements of a store, by name, for its schema. Every table is named with it: a session's search path is not ours. */
export type Statements = ReturnType<typeof statementsFor>

/** @param schema quoted. */
export function statementsFor(schema: string) {
  const sql = (text: string): string => text.replaceAll('$.', `${schema}.`)
  return {
    /**
     * Locks grants, each process in the same order. What they hold is read by the next statement: after a wait, one that
     * did both would see the locked row as it is and all others as they were when it began.
     */
    lock: sql('SELECT grant_id FROM $.schedule WHERE grant_id = ANY($1) ORDER BY grant_id FOR UPDATE'),
    /**
     * What is due and nobody holds: first where an attempt has no verdict, since a window may be closing; then, and among
     * them, longest due first. The time is a subquery, or the index could not be used for it.
     */
    lockDue: sql(`
WITH unsettled AS (
  SELECT grant_id FROM $.schedule WHERE unsettled AND due_at <= (SELECT $.et_now()) ORDER BY due_at LIMIT $1
  FOR UPDATE SKIP LOCKED
), others AS (
  SELECT grant_id FROM $.schedule WHERE NOT unsettled AND due_at <= (SELECT $.et_now()) ORDER BY due_at
  LIMIT greatest(0, $1 - (SELECT count(*) FROM unsettled)) FOR UPDATE SKIP LOCKED
) SELECT grant_id FROM unsettled UNION ALL SELECT grant_id FROM others`),
    /**
     * The time and which server says so, and a row for each token of each grant: one statement, so that a reader sees one
     * moment.
     */
    load: sql(`
SELECT clock.now, clock.server, ${readColumns.join(', ')}
FROM (SELECT $.et_now() AS now, extract(epoch FROM pg_postmaster_start_time())::text AS server) AS clock LEFT JOIN (
  $.grants AS grants JOIN $.schedule AS schedule ON schedule.grant_id = grants.id
  LEFT JOIN $.tokens AS tokens ON tokens.grant_id = grants.id
  LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('kind', kind, 'epoch', epoch, 'at', at, 'message', message) ORDER BY number) AS said
    FROM (
      SELECT * FROM $.notices AS notice WHERE notice.grant_id = grants.id AND NOT deleted
      ORDER BY number DESC LIMIT ${loadedNotices}
    ) AS last
  ) AS notices ON true
) ON grants.id = ANY($1)
ORDER BY grants.id, tokens.scope, tokens.resource`),
    page: sql('SELECT id FROM $.grants WHERE id > $1 ORDER BY id LIMIT $2'),
    nextDue: sql('SELECT due_at FROM $.schedule WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1'),
    remove: sql('DELETE FROM $.grants WHERE id = ANY($1)'),
    insertGrants: sql(insert('grants', grantColumns)),
    insertSchedules: sql(insert('schedule', scheduleColumns)),
    updateGrants: sql(update('grants', grantColumns)),
    updateLogins: sql(update('grants', loginColumns)),
    updateSchedules: sql(update('schedule', scheduleColumns)),
    putTokens: sql(put('tokens', tokenColumns, 3)),
    removeTokens: sql(`
DELETE FROM $.tokens AS old USING ${rows(tokenColumns.slice(0, 3))}
WHERE old.grant_id = new.grant_id AND old.scope = new.scope AND old.resource = new.resource`),
    putSuperseded: sql(put('superseded', supersededColumns, 2)),
    dropRegained: sql(`
DELETE FROM $.superseded AS old USING ${rows(regainedColumns)}
WHERE old.grant_id = new.grant_id AND (old.fingerprint = new.fingerprint OR old.received_at <= new.received_at)`),
    forgetSuperseded: sql('DELETE FROM $.superseded WHERE grant_id = ANY($1)'),
    superseded: sql(`
SELECT sealed, fingerprint, received_at, spent_at, spent_boot FROM $.superseded
WHERE grant_id = $1 AND received_at > $2 ORDER BY received_at DESC`),
    /** Until the commit: a number that others can see is followed by greater ones only, so that no reader misses one. */
    lockNotices: `SELECT pg_advisory_xact_lock(hashtext('evertoken notices'), hashtext('${schema.replaceAll("'", "''")}'))`,
    addNotices: sql(insert('notices', noticeColumns)),
    detachNotices: sql('UPDATE $.notices SET deleted = true WHERE grant_id = ANY($1) AND NOT deleted'),
    notices: sql(`
SELECT number, grant_id, kind, epoch, at, message FROM $.notices WHERE number > $1 ORDER BY number LIMIT $2`),
    attemptedFrom: sql(
      'SELECT grant_id FROM $.schedule WHERE unsettled AND attempts @> $1::jsonb ORDER BY grant_id',
    ),
    /** One look into the index for each, however many grants they hold: DISTINCT would read them all. */
    leaseOwners: sql(`
WITH RECURSIVE owners AS (
  (SELECT owner FROM $.schedule WHERE owner IS NOT NULL ORDER BY owner LIMIT 1)
  UNION ALL
  SELECT (SELECT owner FROM $.schedule WHERE owner > owners.owner ORDER BY owner LIMIT 1)
  FROM owners WHERE owners.owner IS NOT NULL
) SELECT owner FROM owners WHERE owner IS NOT NULL`),
    namedOwners: sql(`
SELECT owner FROM $.schedule WHERE owner IS NOT NULL
UNION SELECT attempt ->> 'owner' FROM $.schedule, jsonb_array_elements(attempts) AS attempt WHERE unsettled`),
    /** Grants whose worker is gone are due at once; those that wait for nothing go on waiting. */
    endLeases: sql(`
UPDATE $.schedule AS old SET owner = NULL, lease_until = NULL, lease_boot = NULL,
  due_at = CASE WHEN old.due_at > now.at THEN now.at ELSE old.due_at END
FROM (SELECT $.et_now() AS at) AS now, (
  SELECT grant_id FROM $.schedule WHERE owner = ANY($1) ORDER BY grant_id FOR UPDATE SKIP LOCKED
) AS left_behind
WHERE old.grant_id = left_behind.grant_id`),
    fences: sql('SELECT grant_id, fence FROM $.schedule WHERE grant_id = ANY($1)'),
    makeCircuit: sql('INSERT INTO $.circuits (key) VALUES ($1) ON CONFLICT (key) DO NOTHING'),
    lockCircuit: sql('SELECT $.et_now(), circuit FROM $.circuits WHERE key = $1 FOR UPDATE'),
    readCircuit: sql('SELECT circuit FROM $.circuits WHERE key = $1'),
    putCircuit: sql('UPDATE $.circuits SET circuit = $2::jsonb WHERE key = $1'),
    spools: sql('SELECT id, host, folder, seen_at, retired_at FROM $.spools ORDER BY host, id'),
    seenSpool: sql(`
INSERT INTO $.spools (id, host, folder, seen_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE
SET host = excluded.host, folder = excluded.folder, seen_at = excluded.seen_at, retired_at = NULL`),
    retireSpool: sql('UPDATE $.spools SET retired_at = $2 WHERE id = $1'),
    dropConsents: sql('DELETE FROM $.consents WHERE expires_at <= $1'),
    putConsent: sql(`
INSERT INTO $.consents (state_hash, grant_id, sealed, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (state_hash) DO NOTHING`),
    takeConsent: sql('DELETE FROM $.consents WHERE state_hash = $1 RETURNING grant_id, sealed, expires_at'),
    putApiKey: sql(`
INSERT INTO $.api_keys (id, label, rights, hash, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE
SET label = excluded.label, rights = excluded.rights, hash = excluded.hash, created_at = excluded.created_at`),
    findApiKey: sql('SELECT label, rights, hash, created_at FROM $.api_keys WHERE id = $1'),
    /** What a transaction leaves behind when it commits. */
    markLane: sql(`
INSERT INTO $.lanes (lane, batch, seen_at) VALUES ($1, $2, $.et_now()) ON CONFLICT (lane) DO UPDATE
SET batch = excluded.batch, seen_at = excluded.seen_at`),
    /** Which transaction of a lane was its last. Waits for one that is still under way, as an insert or an update would. */
    lastOfLane: sql(`
INSERT INTO $.lanes (lane, batch, seen_at) VALUES ($1, 0, $.et_now()) ON CONFLICT (lane) DO UPDATE
SET seen_at = excluded.seen_at RETURNING batch`),
    dropLanes: sql('DELETE FROM $.lanes WHERE seen_at < $.et_now() - 86400000'),
    setting: sql('SELECT value FROM $.store WHERE name = $1'),
    addSetting: sql('INSERT INTO $.store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING'),
    putSetting: sql(
      'INSERT INTO $.store (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
  }
}

const names = (columns: Columns, of = ''): string => columns.map(([name]) => of + name).join(', ')
const assignments = (columns: Columns, from: string): string =>
  columns.map(([name]) => `${name} = ${from}.${name}`).join(', ')
const regainedColumns: Columns = [
  ['grant_id', 'text'],
  ['fingerprint', 'text'],
  ['received_at', 'bigint'],
]

/** Rows out of the JSON text that is the one parameter. */
const rows = (columns: Columns): string =>
  `json_to_recordset($1::json) AS new (${columns.map(([name, type]) => `${name} ${type}`).join(', ')})`

const insert = (table: string, columns: Columns): string =>
  `INSERT INTO $.${table} (${names(columns)}) SELECT ${names(columns, 'new.')} FROM ${rows(columns)}`

/** The first column is the key. */
const update = (table: string, columns: Columns): string => {
  const [[key] = ['']] = columns
  return `UPDATE $.${table} AS old SET ${assignments(columns.slice(1), 'new')} FROM ${rows(columns)}
WHERE old.${key} = new.${key}`
}

/** The first `keys` columns are the key. */
const put = (table: string, columns: Columns, keys: number): string =>
  `${insert(table, columns)} ON CONFLICT (${names(columns.slice(0, keys))}) DO UPDATE
SET ${assignments(columns.slice(keys), 'excluded')}`
