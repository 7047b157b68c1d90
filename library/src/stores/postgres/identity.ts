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
 * The server by the number that initdb gave it, which its standbys share, and the database by its own. A dump that was
 * restored, a template and a clone through logical replication differ in one of them. A server that does not tell its
 * number is known by the database alone.
 */
const place = `SELECT json_build_object('database', (SELECT oid::text FROM pg_database WHERE datname = current_database()),
'server', CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
  THEN (SELECT system_identifier::text FROM pg_control_system()) END)`

interface Place {
  readonly database: string
  readonly server: string | null
}

/** Reads it; the first to ask writes down where the store is. */
export async function identityOf(
  transactions: Transactions,
  statements: Statements,
  location: string,
): Promise<Identity> {
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
  const isElsewhere =
    known.database !== here.database ||
    (known.server !== null && here.server !== null && known.server !== here.server)
  return {
    storeId: await setting('store_id'),
    instanceId: await setting('instance_id'),
    foreign: isElsewhere
      ? `${location} is a copy of a store in another database or on another server, which may still be at work`
      : undefined,
  }
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
