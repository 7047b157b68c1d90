import type { PostgresServer, ServerOptions } from './server.ts'

/** Name under which a standby follows, for `synchronous_standby_names`. */
export const standbyName = 'evertoken_standby'

/**
 * A server that follows `primary`, made from a cold copy of its folder: the primary is stopped for it and started
 * again. `port`: where it finds the primary, when there is something in between.
 */
export async function startStandby(
  primary: PostgresServer,
  { port = primary.port, options }: { port?: number; options?: ServerOptions } = {},
): Promise<PostgresServer> {
  await primary.stop('fast')
  const standby = primary.copy(options, {
    primary_conninfo: `host=127.0.0.1 port=${port} user=postgres application_name=${standbyName}`,
  })
  await primary.start()
  standby.write('standby.signal', '')
  await standby.start()
  return standby
}

/** Waits until the standby has replayed all that the primary has committed so far. */
export async function caughtUp(primary: PostgresServer, standby: PostgresServer): Promise<void> {
  const [row] = await primary.query('SELECT pg_current_wal_insert_lsn()::text AS place')
  for (;;) {
    const [there] = await standby.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [
      row?.place,
    ])
    if (there?.there === true) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The standby becomes a primary, whatever it has seen. */
export async function promote(standby: PostgresServer): Promise<void> {
  await standby.query('SELECT pg_promote(true, 30)')
}
