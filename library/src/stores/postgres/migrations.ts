import { createHash } from 'node:crypto'
import { EvertokenError } from '../../errors.ts'
import { migrations } from './schema.ts'
import type { Statements } from './statements.ts'
import type { Send, Transactions } from './transactions.ts'

const checksum = (sql: string): string => createHash('sha256').update(sql).digest('hex').slice(0, 16)

/** The oldest that has what is used here: identity columns, generated columns, and a vacuum that keeps up. */
const oldestVersion = 140_000

export interface MigrateOptions {
  readonly transactions: Transactions
  readonly statements: Statements
  /** Its name, quoted where it stands in a statement. */
  readonly schema: string
  readonly location: string
}

/**
 * Brings the schema up to date, in one transaction that excludes every other process.
 *
 * @throws EvertokenError `store_unavailable` where the server is too old or the schema is another program's,
 *   `store_newer`, `store_damaged` when a migration that it says it had is not the one we know.
 */
export async function migrate({ transactions, statements, schema, location }: MigrateOptions): Promise<void> {
  const { rows } = await transactions.query({
    text: `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
to_regclass($1) IS NOT NULL, EXISTS (SELECT FROM pg_namespace WHERE nspname = $2),
EXISTS (SELECT FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2) AND relkind = 'r')`,
    values: [`"${schema}".migrations`, schema],
  })
  const [number, version, hasMigrations, hasSchema, hasTables] = rows[0] ?? []
  if (Number(number) < oldestVersion)
    throw new EvertokenError(
      'store_unavailable',
      `${location} is PostgreSQL ${version}; 14 or newer is needed`,
      {
        advice: 'Upgrade the server.',
      },
    )
  if (hasMigrations !== true && hasTables === true)
    throw new EvertokenError(
      'store_unavailable',
      `the schema ${schema} of ${location} belongs to another program`,
      { advice: 'Choose another schema for the store; nothing was changed.' },
    )
  // The usual start takes no lock.
  if (hasMigrations === true) {
    const done = check(await transactions.query({ text: listed(schema) }), location)
    if (done === migrations.length) return
  }
  await transactions.run({
    first: [
      { text: `SELECT pg_advisory_xact_lock(hashtext('evertoken migrations'), hashtext('${schema}'))` },
    ],
    decide: async (_, send) => {
      await bootstrap(send, schema, hasSchema !== true)
      const [known] = await send([{ text: listed(schema) }])
      const done = check(known as { rows: readonly (readonly unknown[])[] }, location)
      for (const [index, { name, sql }] of migrations.slice(done).entries())
        await send([
          { text: sql.replaceAll('$.', `"${schema}".`) },
          {
            text: `INSERT INTO "${schema}".migrations (number, name, checksum) VALUES ($1, $2, $3)`,
            values: [done + index + 1, name, checksum(sql)],
          },
        ])
      for (const name of ['store_id', 'instance_id'])
        await send([{ text: statements.addSetting, values: [name, crypto.randomUUID()] }])
      // Lanes are there now, and the transaction is marked as any other.
      return { result: undefined, writes: [{ text: 'SELECT 1' }] }
    },
  })
}

const listed = (schema: string): string =>
  `SELECT number, name, checksum FROM "${schema}".migrations ORDER BY number`

async function bootstrap(send: Send, schema: string, isMissing: boolean): Promise<void> {
  // Even with IF NOT EXISTS it asks for a right that only the first start needs.
  if (isMissing) await send([{ text: `CREATE SCHEMA IF NOT EXISTS "${schema}"` }])
  await send([
    {
      text: `CREATE TABLE IF NOT EXISTS "${schema}".migrations
(number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL);
CREATE TABLE IF NOT EXISTS "${schema}".store (name text PRIMARY KEY, value text NOT NULL)`,
    },
  ])
}

/** How many of our migrations the store has had. */
function check({ rows }: { rows: readonly (readonly unknown[])[] }, location: string): number {
  if (rows.length > migrations.length)
    throw new EvertokenError(
      'store_newer',
      `${location} was written by a newer evertoken (its migration ${rows.length}, this one knows ${migrations.length})`,
      { advice: 'Run that version or a newer one; nothing was changed.' },
    )
  for (const [number, name, sum] of rows) {
    const known = migrations[Number(number) - 1]
    if (known === undefined || checksum(known.sql) !== sum)
      throw new EvertokenError(
        'store_damaged',
        `${location}: its migration ${number} (${name}) is not the one this evertoken knows`,
        { advice: 'It was made by another build or changed by hand; restore a backup. Nothing was changed.' },
      )
  }
  return rows.length
}
