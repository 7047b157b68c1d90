import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { EvertokenError } from '../../errors.ts'
import type { FileIdentity } from './file-identity.ts'
import { migrations } from './schema.ts'

const checksum = (sql: string): string => createHash('sha256').update(sql).digest('hex').slice(0, 16)

/**
 * Brings a store up to date, in one transaction that excludes every other process.
 *
 * @throws EvertokenError `store_newer` when a newer evertoken wrote it, `store_damaged` when a migration that it
 *   says it had is not the one we know.
 */
export function migrate(database: DatabaseSync, location: string, identity: () => FileIdentity): void {
  if (isCurrent(database)) {
    check(database, location)
    return
  }
  database.exec('BEGIN EXCLUSIVE')
  try {
    database.exec(`
CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS store (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`)
    const done = check(database, location)
    const record = database.prepare('INSERT INTO migrations (number, name, checksum) VALUES (?, ?, ?)')
    migrations.slice(done).forEach(({ name, sql }, index) => {
      database.exec(sql)
      record.run(done + index + 1, name, checksum(sql))
    })
    const set = database.prepare('INSERT OR IGNORE INTO store (name, value) VALUES (?, ?)')
    set.run('store_id', crypto.randomUUID())
    set.run('instance_id', crypto.randomUUID())
    if (done === 0) set.run('file', JSON.stringify(identity()))
    database.exec('COMMIT')
  } catch (error) {
    database.exec('ROLLBACK')
    throw error
  }
}

/**
 * Another program's database is not to be written into, not even a header.
 *
 * @throws EvertokenError `store_unavailable`.
 */
export function refuseForeign(database: DatabaseSync, location: string): void {
  const rows = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
  const tables = new Set(rows.map(({ name }) => name))
  if (tables.size === 0 || ['migrations', 'store', 'grants'].every((table) => tables.has(table))) return
  throw new EvertokenError('store_unavailable', `${location} is the database of another program`, {
    advice: 'Choose another file for the store; nothing was changed.',
  })
}

/** The usual start takes no lock. */
function isCurrent(database: DatabaseSync): boolean {
  const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").get()
  if (table === undefined) return false
  const row = database.prepare('SELECT max(number) AS newest FROM migrations').get()
  return Number(row?.newest ?? 0) >= migrations.length
}

/** How many of our migrations the store has had. */
function check(database: DatabaseSync, location: string): number {
  const rows = database.prepare('SELECT number, name, checksum FROM migrations ORDER BY number').all()
  if (rows.length > migrations.length)
    throw new EvertokenError(
      'store_newer',
      `${location} was written by a newer evertoken (its migration ${rows.length}, this one knows ${migrations.length})`,
      { advice: 'Run that version or a newer one; nothing was changed.' },
    )
  for (const row of rows) {
    const known = migrations[Number(row.number) - 1]
    if (known === undefined || checksum(known.sql) !== row.checksum)
      throw new EvertokenError(
        'store_damaged',
        `${location}: its migration ${row.number} (${row.name}) is not the one this evertoken knows`,
        { advice: 'It was made by another build or changed by hand; restore a backup. Nothing was changed.' },
      )
  }
  return rows.length
}
