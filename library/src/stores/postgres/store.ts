import path from 'node:path'
import { type Clock, systemClock } from '../../clock.ts'
import { ConfigurationError, type EvertokenError } from '../../errors.ts'
import { aesSeal } from '../../grants/seal.ts'
import type { GrantStore, StoreOpener } from '../../grants/store.ts'
import { readMarker } from '../spool/marker.ts'
import { openSpool } from '../spool/spool.ts'
import { connections, locationOf, type PostgresConnection, type PostgresTimeouts } from './connections.ts'
import { type Identity, identityOf } from './identity.ts'
import { type KeyPlace, loadKeys } from './master-keys.ts'
import { migrate } from './migrations.ts'
import { PostgresGrants } from './postgres-grants.ts'
import { statementsFor } from './statements.ts'
import { storeError } from './store-error.ts'
import { type FaultPoint, Transactions } from './transactions.ts'

export { newMasterKey, readKeyFile, writeKeyFile } from '../sqlite/key-file.ts'
export type { PostgresConnection, PostgresTimeouts } from './connections.ts'
export type { KeyPlace } from './master-keys.ts'

export interface PostgresStoreOptions {
  /** `postgres://user@host:5432/database`, as `pg` reads it, or its parts. */
  readonly url: string | PostgresConnection
  /** A folder of this host, on a disk that outlives the process: it holds `spool/` and, by default, `master.key`. */
  readonly folder: string
  /**
   * Master keys; the first encrypts, all decrypt. Default: one key, `k1`, in `master.key` of the folder, made by the first
   * host of a new store with mode 0600; every other host gets a copy of that file.
   */
  readonly keys?: readonly KeyPlace[] | undefined
  /** Where the tables are. Lower-case letters, digits and `_`. Default: `evertoken`. */
  readonly schema?: string | undefined
  /** Connections of this process, besides one that listens. Default: 4. */
  readonly connections?: number | undefined
  /** Whether to listen for notifications, which only make others look sooner. Default: true. */
  readonly listen?: boolean | undefined
  readonly timeouts?: PostgresTimeouts | undefined
  readonly clock?: Clock | undefined
  /** Told once when a key file was made: its path. Whoever loses that file loses every grant in the store. */
  readonly onKeyCreated?: ((file: string) => void) | undefined
  /** Told once of each file of the spool with something in it that cannot be read. */
  readonly onDamaged?: ((error: EvertokenError) => void) | undefined
  /** `pre_transaction`, `pre_store_commit`, `post_store_commit`, and those of the spool. For tests. */
  readonly faultPoint?: ((name: string) => void) | undefined
}

/**
 * Grants in PostgreSQL 14 or newer, for any number of processes on any number of machines. Needs the package `pg`. Polling
 * alone is enough, and a connection may lead through a transaction pooler. Each host keeps answers in a spool of its own
 * until the store has them, and for a day longer, in case a failover loses what was committed.
 *
 * Opening throws `store_unavailable`, `store_newer`, `store_damaged`, `wrong_encryption_key`, `key_file_unreadable`,
 * `key_file_too_open`, `spool_unavailable`, and `invalid_configuration` for an URL that is none.
 */
export function postgresStore(options: PostgresStoreOptions): StoreOpener {
  const { schema = 'evertoken' } = options
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new ConfigurationError(
      'invalid_configuration',
      `${JSON.stringify(schema)} is no name for a schema`,
      {
        advice: 'Up to 63 lower-case letters, digits and underscores.',
      },
    )
  const location = locationOf(options.url)
  return {
    async open() {
      try {
        return await openPostgres(options, schema, location)
      } catch (error) {
        throw storeError(error, location)
      }
    },
  }
}

/** Milliseconds for which the spool keeps what the store has: a standby that takes over may lack the newest commits. */
const keptFor = 86_400_000

async function openPostgres(
  options: PostgresStoreOptions,
  schema: string,
  location: string,
): Promise<GrantStore> {
  const { timeouts = {}, clock = systemClock, onKeyCreated } = options
  const folder = path.resolve(options.folder)
  const most = Math.max(1, options.connections ?? 4)
  const open = await connections(options.url, most, timeouts)
  try {
    const statements = statementsFor(`"${schema}"`)
    // One connection is left for readers, whom no lock keeps waiting.
    const lanes = Math.max(1, most - 1)
    const transactions = new Transactions({
      connections: open,
      statements,
      location,
      lanes,
      timeouts,
      faultPoint: options.faultPoint as FaultPoint | undefined,
    })
    await migrate({ transactions, statements, schema, location })
    const spoolFolder = path.join(folder, 'spool')
    const identify = (): Promise<Identity> =>
      identityOf({
        transactions,
        statements,
        location,
        knows: ({ storeId, instanceId }) => {
          const marker = readMarker(spoolFolder)
          return typeof marker === 'object' && marker.storeId === storeId && marker.instanceId === instanceId
        },
      })
    const identity = await identify()
    const { storeId } = identity
    const places = options.keys ?? [{ id: 'k1', file: path.join(folder, 'master.key') }]
    const keys = await loadKeys({ transactions, statements, storeId, location, places, onKeyCreated })
    const seal = aesSeal(storeId, keys)
    const store = new PostgresGrants({
      location,
      seal,
      identity,
      identify,
      openSpool: ({ instanceId, foreign }) =>
        openSpool({
          folder: spoolFolder,
          storeId,
          instanceId,
          seal,
          foreign,
          keep: keptFor,
          onDamaged: options.onDamaged,
          faultPoint: options.faultPoint,
        }),
      schema,
      open,
      transactions,
      statements,
      clock,
      listens: options.listen !== false,
    })
    await store.begin()
    return store
  } catch (error) {
    await open.close()
    throw error
  }
}
