import { EvertokenError } from '../../errors.ts'
import type { Statements } from './statements.ts'
import type { Transactions } from './transactions.ts'

/** Which store this is, and which copy of it. */
export interface Identity {
  /** Written once; ciphertext is bound to it. A copy has the same. */
  readonly storeId: string
  /** Of this copy; the spools of its hosts know it. */
  readonly instanceId: string
  /** Why this is a copy of the store and not the store itself, in a sentence. */
  readonly foreign: string | undefined
}

/**
 * The server by the number that initdb gave it, which its standbys share, and the database by its own: a dump that was
 * restored, a template and a clone through logical replication differ in one of them. The timeline begins anew when a
 * standby takes over, and when a backup of the files is restored. What a server does not tell is left out.
 */
const place = `SELECT json_build_object('database', (SELECT oid::text FROM pg_database WHERE datname = current_database()),
'server', CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
  THEN (SELECT system_identifier::text FROM pg_control_system()) END,
'timeline', CASE WHEN NOT pg_is_in_recovery() AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')
  THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END)`

interface Place {
  readonly database: string
  readonly server: string | null
  readonly timeline: string | null
}

const differ = (one: string | null, other: string | null): boolean =>
  one !== null && other !== null && one !== other

export interface IdentityOptions {
  readonly transactions: Transactions
  readonly statements: Statements
  readonly location: string
  /** Whether this host has worked with that copy of the store before. */
  readonly knows: (copy: { readonly storeId: string; readonly instanceId: string }) => boolean
}

/**
 * Reads it; the first to ask writes down where the store is. A new timeline is taken for a failover by a host that worked
 * with the store before, and for a backup that was restored beside it by one that did not.
 */
export async function identityOf({
  transactions,
  statements,
  location,
  knows,
}: IdentityOptions): Promise<Identity> {
  const setting = async (name: string): Promise<string> => {
    const { rows } = await transactions.query({ text: statements.setting, values: [name] })
    if (rows[0] === undefined)
      throw new EvertokenError('store_damaged', `${location} does not say which store it is`, {
        advice: 'Restore it from a backup; a row of its table store is missing.',
      })
    return String(rows[0][0])
  }
  const here = await placeOf(transactions)
  await transactions.query({ text: statements.addSetting, values: ['place', JSON.stringify(here)] })
  const known = JSON.parse(await setting('place')) as Place
  const copy = { storeId: await setting('store_id'), instanceId: await setting('instance_id') }
  if (differ(known.database, here.database) || differ(known.server, here.server))
    return {
      ...copy,
      foreign: `${location} is a copy of a store in another database or on another server, which may still be at work`,
    }
  if (differ(known.timeline, here.timeline)) {
    if (!knows(copy))
      return {
        ...copy,
        foreign: `${location} was restored from a backup, or is a standby that took over, and no host that knew it before has been here since`,
      }
    await transactions.query({ text: statements.putSetting, values: ['place', JSON.stringify(here)] })
  }
  return { ...copy, foreign: undefined }
}

/** The copy becomes a store of its own; gives its new instance id. */
export async function settleIn(transactions: Transactions, statements: Statements): Promise<string> {
  const here = await placeOf(transactions)
  const instanceId = crypto.randomUUID()
  await transactions.run({
    first: [],
    decide: () => ({
      result: undefined,
      writes: [
        { text: statements.putSetting, values: ['place', JSON.stringify(here)] },
        { text: statements.putSetting, values: ['instance_id', instanceId] },
      ],
    }),
  })
  return instanceId
}

async function placeOf(transactions: Transactions): Promise<Place> {
  const { rows } = await transactions.query({ text: place })
  return rows[0]?.[0] as Place
}
