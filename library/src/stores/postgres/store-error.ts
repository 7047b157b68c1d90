import { EvertokenError } from '../../errors.ts'

/** SQLSTATE, where the server said something (PostgreSQL documentation, appendix A). */
export const sqlStateOf = (error: unknown): string | undefined => {
  const { code } = error as { code?: unknown }
  // A system's own codes may be as long (EPIPE), but have no digit.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/** The connection is gone, or nobody can tell: what was under way may have happened. */
export function isLost(error: unknown): boolean {
  if (error instanceof EvertokenError || isMistake(error) || isOfFiles(error)) return false
  const state = sqlStateOf(error)
  return state === undefined ? true : /^(08|57P0[1-5]|25P03)/.test(state)
}

/** An error of the program itself is not the database's. */
const isMistake = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError

/** A file of this host, not the way to the database. */
const isOfFiles = (error: unknown): boolean => typeof (error as { path?: unknown }).path === 'string'

/**
 * Nothing happened, and the same again may well succeed: it did not fit with what others did at that moment. A unique
 * violation too: two had found no grant of that name, and now there is one.
 */
export const isConflict = (error: unknown): boolean =>
  ['40001', '40P01', '23505', '23503'].includes(sqlStateOf(error) ?? '')

/** What one grant was to hold does not fit into its row; others of the same transaction had no part in it. */
export const isOfOneRow = (error: unknown): boolean =>
  error instanceof EvertokenError && /^(22|23|54)/.test(sqlStateOf(error.cause ?? {}) ?? '')

const advice: readonly (readonly [pattern: RegExp, what: string, advice: string])[] = [
  [/^28/, 'refuses the login', 'Check user and password, and pg_hba.conf of the server.'],
  [/^3D000/, 'has no such database', 'Create it, or correct the name in the URL.'],
  [
    /^42501/,
    'does not permit what a store needs',
    'The user must own the schema, or may create it: GRANT CREATE ON DATABASE … TO …',
  ],
  [
    /^53300/,
    'has no connection left',
    'Raise max_connections, put a pooler before it, or give the store fewer connections.',
  ],
  [
    /^25006/,
    'takes no writes: it is a standby, or set to read only',
    'Give the URL of the primary, or one that leads to it after a failover.',
  ],
  [
    /^57P0/,
    'is starting or stopping',
    'evertoken goes on by itself when it is back. Tokens in memory are still served.',
  ],
  [
    /^(57014|55P03|25P03)/,
    'took too long over a transaction',
    'See what holds its locks (pg_stat_activity, pg_locks), and whether its disk or its standby is slow.',
  ],
  [
    /^(42P01|3F000|42703|42883)/,
    'lacks tables that the store had made',
    'Restore the schema from a backup, or check that the URL names the right database.',
  ],
]

/** What PostgreSQL or the way to it said, by what an operator can do about it. Never with a password. */
export function storeError(error: unknown, location: string): unknown {
  if (error instanceof EvertokenError) return error
  const { message = '', code } = error as { message?: string; code?: unknown }
  const state = sqlStateOf(error)
  if (state === '53100')
    return new EvertokenError('disk_full', `the disk of ${location} is full: ${message}`, {
      cause: error,
      advice: 'Make room; evertoken goes on by itself. Tokens in memory are still served.',
    })
  if (state !== undefined && /^XX00[12]/.test(state))
    return new EvertokenError('store_damaged', `${location} is damaged: ${message}`, {
      cause: error,
      advice: 'Fail over to a sound standby, or restore a backup together with its key file.',
    })
  const known = advice.find(([pattern]) => pattern.test(state ?? ''))
  if (known !== undefined)
    return new EvertokenError('store_unavailable', `${location} ${known[1]}: ${message}`, {
      cause: error,
      advice: known[2],
    })
  if (state === undefined && isMistake(error)) return error
  if (isOfFiles(error))
    return new EvertokenError('store_unavailable', `the folder of the store on this host: ${message}`, {
      cause: error,
      advice: 'Check that it is on a working disk and that this user may write there.',
    })
  if (state === undefined)
    return new EvertokenError(
      'store_unavailable',
      `${location} does not answer: ${message === '' ? String(code ?? 'no connection') : message}`,
      { cause: error, advice: 'See whether the server runs and whether it can be reached from here.' },
    )
  return new EvertokenError('store_unavailable', `${location} refuses a statement: ${message} (${state})`, {
    cause: error,
    advice: 'See the log of the server.',
  })
}
