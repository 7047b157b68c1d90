import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, chownSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { binariesFor, user } from './binaries.ts'

export interface ServerOptions {
  /** Every commit waits for the disk. Default: nothing does, for tests that kill no server. */
  readonly durable?: boolean | undefined
  /** Settings by name, as postgresql.conf has them. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Ask everybody for this password (SCRAM). Default: everybody is trusted. */
  readonly password?: string | undefined
}

/** `immediate`: as in a power cut, for the server's processes. `kill`: SIGKILL to the postmaster. */
export type StopMode = 'fast' | 'immediate' | 'kill'

const signals = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const

/** Servers do not end with the process that started them. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGQUIT')
})

/** A PostgreSQL server of our own: own data folder in a temporary place, a port that the system chose. */
export class PostgresServer {
  readonly data: string
  readonly #folder: string
  readonly #native: string
  readonly #options: ServerOptions
  #port = 0
  #child: ChildProcess | undefined
  #log = ''
  #databases = 0

  constructor(folder: string, native: string, options: ServerOptions) {
    this.#folder = folder
    this.#native = native
    this.#options = options
    this.data = path.join(folder, 'data')
  }

  get port(): number {
    return this.#port
  }

  /** Everything the server has said since it was first started. */
  get log(): string {
    return this.#log
  }

  url(database = 'postgres', login = 'postgres'): string {
    const { password } = this.#options
    return `postgres://${login}${password === undefined ? '' : `:${password}`}@127.0.0.1:${this.#port}/${database}`
  }

  /** An empty database; gives its URL. */
  async createDatabase(): Promise<string> {
    this.#databases += 1
    const name = `test_${this.#databases}`
    await this.query(`CREATE DATABASE ${name}`)
    return this.url(name)
  }

  /** Runs one statement on a connection of its own. */
  query(text: string, values: unknown[] = [], url = this.url()): Promise<Record<string, unknown>[]> {
    return query(url, text, values)
  }

  /** On the port it had, so that a server that was stopped comes back where its clients look for it. */
  async start(): Promise<void> {
    for (let left = 20; ; left -= 1) {
      const port = this.#port === 0 ? await freePort() : this.#port
      const said = await this.#launch(port)
      if (said === undefined) {
        this.#port = port
        return
      }
      // Somebody took the port in between, or processes of a postmaster that was killed have not noticed it yet.
      if (left === 0 || !/could not bind|shared memory block|lock file/.test(said)) throw new Error(said)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** What it said when it did not start. */
  #launch(port: number): Promise<string | undefined> {
    const { durable = false, settings = {} } = this.#options
    const all = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '100',
      shared_buffers: '32MB',
      fsync: durable ? 'on' : 'off',
      full_page_writes: durable ? 'on' : 'off',
      synchronous_commit: durable ? 'on' : 'off',
      ...settings,
    }
    const child = spawn(
      path.join(this.#native, 'bin/postgres'),
      [
        ...['-D', this.data, '-p', String(port)],
        ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      { ...user, env: environment(this.#folder), cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.#child = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    const from = this.#log.length
    return new Promise((resolve) => {
      child.once('exit', () => resolve(this.#log.slice(from) || 'postgres did not start'))
      child.stderr?.on('data', (chunk: Buffer) => {
        this.#log += chunk
        if (/ready to accept (read-only )?connections/.test(this.#log.slice(from))) resolve(undefined)
      })
    })
  }

  /** Resolves when the server is gone. The signal is sent at once, so that a hook may call it that cannot wait. */
  async stop(mode: StopMode = 'fast'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signals[mode])
    await gone
  }

  /** Copies the data folder of a stopped server: a standby, or the same database twice. */
  copy(options: ServerOptions = this.#options, extra: Readonly<Record<string, string>> = {}): PostgresServer {
    const folder = workFolder()
    const copy = new PostgresServer(folder, this.#native, options)
    cpSync(this.data, copy.data, { recursive: true })
    chmodSync(copy.data, 0o700)
    const lines = Object.entries(extra).map(([name, value]) => `${name} = '${value}'\n`)
    appendFileSync(path.join(copy.data, 'postgresql.auto.conf'), lines.join(''))
    own(folder)
    return copy
  }

  /** Writes a file into the data folder, as an operator would. */
  write(name: string, text: string): void {
    writeFileSync(path.join(this.data, name), text)
    own(this.data)
  }

  /** Stops it and removes all of it. */
  async close(): Promise<void> {
    await this.stop('immediate')
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Starts a server with an empty database `postgres`, in well under a second. */
export async function startPostgres(options: ServerOptions = {}): Promise<PostgresServer> {
  const folder = workFolder()
  const native = binariesFor(folder)
  const server = new PostgresServer(folder, native, options)
  const words = path.join(folder, 'password')
  if (options.password !== undefined) writeFileSync(words, `${options.password}\n`)
  own(folder)
  const login =
    options.password === undefined ? ['-A', 'trust'] : ['-A', 'scram-sha-256', `--pwfile=${words}`]
  const made = spawnSync(
    path.join(native, 'bin/initdb'),
    ['-D', server.data, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync', ...login],
    { ...user, env: environment(folder), cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? ''}${made.stderr}`)
  await server.start()
  return server
}

/** Runs one statement on a connection of its own. */
export async function query(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  // A server that is stopped tells even those who have said goodbye, and an event without a listener ends the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query(text, values)
    return rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

function workFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'evertoken-postgres-'))
  own(folder)
  return folder
}

function own(folder: string): void {
  if (user.uid === undefined || user.gid === undefined) return
  const done = spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
  if (done.status !== 0) chownSync(folder, user.uid, user.gid)
}

const environment = (home: string): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  HOME: home,
})

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
