import { DatabaseSync } from 'node:sqlite'
import { Keeper, type KeeperOptions, refreshToken } from 'evertoken'
import { query } from '../test/postgres/server.ts'
import { opened, type StorePlace } from './store-place.ts'

/** Seconds: none of them is due while it is measured. */
const lifetime = 30 * 86_400

/** Answers without a network. */
const stub: KeeperOptions['transport'] = async () => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    access_token: `at-${'x'.repeat(800)}`,
    token_type: 'Bearer',
    expires_in: lifetime,
    refresh_token: crypto.randomUUID(),
  }),
})

const definition = () =>
  refreshToken({
    tokenUrl: 'http://127.0.0.1:1/token',
    clientId: 'bench',
    clientSecret: 'bench',
    refreshToken: crypto.randomUUID(),
  })

export const loginName = (index: number): string => `login-${index}`
export const copyName = (index: number): string => `copy-${index}`

/**
 * Fills an empty store with grants of which nothing is due: `logins` that were added and refreshed as anybody's, and copies
 * of the first one's rows until there are `count`. Those are in every column like their original, but sealed for that, so
 * they can be claimed and not opened. Due times lie within ten days, days ahead, in no order.
 */
export async function fillWithIdle(
  place: StorePlace,
  { count, logins = 1 }: { readonly count: number; readonly logins?: number },
): Promise<void> {
  await using keeper = await Keeper.open({ store: opened(place), transport: stub })
  for (let from = 0; from < logins; from += 500) {
    const ids = Array.from({ length: Math.min(500, logins - from) }, (_, index) => loginName(from + index))
    await Promise.all(ids.map((id) => keeper.add(id, definition())))
    await Promise.all(ids.map((id) => keeper.getToken(id)))
  }
  if (place.kind === 'sqlite') copySqlite(place.file, count - logins)
  else await copyPostgres(place.url, count - logins)
}

const tables = { grants: 'id', schedule: 'grant_id', tokens: 'grant_id' } as const
const batch = 50_000

/** `random`: a whole number from nowhere. */
const selected = (
  columns: readonly string[],
  key: string,
  from: string,
  to: string,
  random: string,
): string =>
  columns
    .map((column) => {
      if (column === key) return `'copy-' || ${from}.${to}`
      return column === 'due_at' ? `due_at + abs(${random} % 864000000)` : column
    })
    .join(', ')

function copySqlite(file: string, count: number): void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA synchronous = OFF')
  for (let from = 0; from < count; from += batch) {
    database.exec('BEGIN')
    for (const [table, key] of Object.entries(tables)) {
      const columns = database
        .prepare('SELECT name FROM pragma_table_info(?)')
        .all(table)
        .map(({ name }) => String(name))
      database
        .prepare(
          `WITH RECURSIVE copies (n) AS (SELECT CAST(? AS INTEGER) UNION ALL SELECT n + 1 FROM copies WHERE n + 1 < ?)
           INSERT INTO ${table} (${columns.join(', ')})
           SELECT ${selected(columns, key, 'copies', 'n', 'random()')} FROM copies, ${table} WHERE ${key} = ?`,
        )
        .run(from, Math.min(from + batch, count), loginName(0))
    }
    database.exec('COMMIT')
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  database.close()
}

async function copyPostgres(url: string, count: number): Promise<void> {
  for (const [table, key] of Object.entries(tables)) {
    const rows = await query(
      url,
      `SELECT column_name FROM information_schema.columns
       WHERE table_schema = 'evertoken' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position`,
      [table],
    )
    const columns = rows.map(({ column_name }) => String(column_name))
    const random = '(random() * 864000000)::bigint'
    await query(
      url,
      `INSERT INTO evertoken.${table} (${columns.join(', ')})
       SELECT ${selected(columns, key, 'copies', 'n', random)}
       FROM evertoken.${table}, generate_series(0, $1::int - 1) AS copies (n) WHERE ${key} = $2`,
      [count, loginName(0)],
    )
  }
  await query(url, 'VACUUM ANALYZE')
  await query(url, 'CHECKPOINT')
}
