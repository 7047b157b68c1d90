import { ConfigurationError, EvertokenError } from '../../errors.ts'

/** What is needed of `pg`, by its shape: rows are arrays of values as {@link parsed} makes them. */
export interface Connection {
  /** Whether it sends a statement before the one before it is answered. */
  readonly pipeline?: boolean
  query(statement: { text: string; values?: readonly unknown[]; rowMode: 'array' }): Promise<Answer>
  /** True: it is closed and not used again. */
  release(broken?: boolean): void
}

export interface Answer {
  readonly rows: readonly Row[]
  readonly rowCount: number | null
  readonly command: string
}

export type Row = readonly unknown[]

/** A connection that is not one of the pool. */
export interface OwnConnection extends Omit<Connection, 'release'> {
  /** The server process as it presented itself; a pooler gives a number of its own. */
  readonly processID?: number | null
  connect(): Promise<unknown>
  end(): Promise<void>
  /** It keeps the process alive no longer. */
  unref(): void
  on(event: 'notification', listener: (message: { payload?: string | undefined }) => void): unknown
  on(event: 'error' | 'end', listener: () => void): unknown
}

export interface Connections {
  connect(): Promise<Connection>
  own(): OwnConnection
  close(): Promise<void>
}

/** As `pg` takes it; what is absent it takes from its own environment variables. */
export interface PostgresConnection {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly user?: string | undefined
  /** A function is asked at every new connection, for passwords that do not last. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  readonly database?: string | undefined
  readonly ssl?: boolean | object | undefined
  /** Whether statements are sent without waiting for one another's answers. Default: where `pg` can (8.23). */
  readonly pipeline?: boolean | undefined
}

/** Milliseconds. */
export interface PostgresTimeouts {
  /** For a connection, a free one or a new one. Default: 5 s. */
  readonly connect?: number | undefined
  /** For one statement, on the server and here. Default: 15 s. */
  readonly statement?: number | undefined
  /**
   * After which the server ends a transaction whose process says nothing more, stopped or cut off, and lets its rows go.
   * Default: 5 s.
   */
  readonly idle?: number | undefined
}

/** Where the store is, for people: never with a password. */
export function locationOf(place: string | PostgresConnection): string {
  const url = typeof place === 'string' ? parsedUrl(place) : undefined
  const user = url === undefined ? (place as PostgresConnection).user : decodeURIComponent(url.username)
  const { host, port, database } =
    url === undefined
      ? (place as PostgresConnection)
      : { host: url.hostname, port: url.port, database: url.pathname.slice(1) }
  const whom = user === undefined || user === '' ? '' : `${user}@`
  const where = `${host ?? ''}${port === undefined || port === '' ? '' : `:${port}`}`
  return `postgres://${whom}${where}/${database ?? ''}`
}

/** @throws ConfigurationError `invalid_configuration`, without the text, for it may hold a password. */
function parsedUrl(text: string): URL {
  // A host may be left out, for a socket that is named in the query.
  const url = URL.parse(text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=[/?#])/, '$1localhost'))
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol))
    throw new ConfigurationError('invalid_configuration', 'the URL of the PostgreSQL store is not one', {
      advice: 'It looks like postgres://user@host:5432/database; escape odd characters of a password (%40).',
    })
  return url
}

/**
 * Opens nothing yet.
 *
 * @throws EvertokenError `store_unavailable` where `pg` is not installed.
 */
export async function connections(
  place: string | PostgresConnection,
  max: number,
  { connect = 5_000, statement = 15_000 }: PostgresTimeouts,
): Promise<Connections> {
  const pg = await driver()
  const config = {
    pipeline: true,
    ...(typeof place === 'string' ? { connectionString: place } : (place as object)),
    application_name: 'evertoken',
    connectionTimeoutMillis: connect,
    // A little later than the server's own, which says more and leaves the connection usable.
    query_timeout: statement + 1_000,
    keepAlive: true,
    types: { getTypeParser: (oid: number) => parserOf(oid) },
  }
  const pool = new pg.Pool({ ...config, max, idleTimeoutMillis: 60_000, allowExitOnIdle: true })
  const quietly = (): void => undefined
  // A connection that breaks while nobody waits for it says so here; the next use finds out by itself.
  pool.on('error', quietly)
  pool.on('connect', (client) => client.on('error', quietly))
  return {
    connect: async () => (await pool.connect()) as unknown as Connection,
    own: () => new pg.Client(config) as unknown as OwnConnection,
    close: () => pool.end(),
  }
}

async function driver() {
  try {
    const { default: pg } = await import('pg')
    return pg
  } catch (cause) {
    throw new EvertokenError('store_unavailable', 'a PostgreSQL store needs the package pg', {
      cause,
      advice: 'npm install pg',
    })
  }
}

const text = (value: string): unknown => value
const number = (value: string): unknown => Number(value)
const parsers: ReadonlyMap<number, (value: string) => unknown> = new Map([
  [16, (value: string): unknown => value === 't'],
  [17, (value: string): unknown => new Uint8Array(Buffer.from(value.slice(2), 'hex'))],
  [20, number],
  [21, number],
  [23, number],
  [114, (value: string): unknown => JSON.parse(value)],
  [3802, (value: string): unknown => JSON.parse(value)],
])

/** Said here, not left to `pg`: whoever uses it beside us may have changed what it makes of a type. */
const parserOf = (oid: number): ((value: string) => unknown) => parsers.get(oid) ?? text
