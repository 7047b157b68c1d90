import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Clock, systemClock } from '../../clock.ts'
import { EvertokenError } from '../../errors.ts'
import type { GrantRecord } from '../../grants/grant.ts'
import { aesSeal, type MasterKey } from '../../grants/seal.ts'
import type { Change, GrantStore, Moment, StoreOpener, StoreTime } from '../../grants/store.ts'
import { type KeyPlace, loadKeys, setting } from './master-keys.ts'
import { migrate, refuseForeign } from './migrations.ts'
import { isDead, type Owner, sweep, takeOwner } from './owner.ts'
import { Statements } from './statements.ts'
import { storeError } from './store-error.ts'

export { newMasterKey, readKeyFile, writeKeyFile } from './key-file.ts'

export interface SqliteStoreOptions {
  /**
   * Master keys; the first encrypts, all decrypt. Default: one key, `k1`, in a file beside the database with the
   * ending `.key`, made on first use with mode 0600.
   */
  keys?: readonly KeyPlace[] | undefined
  clock?: Clock | undefined
  /** Told once when a key file was made: its path. Whoever loses that file loses every grant in the store. */
  onKeyCreated?: ((file: string) => void) | undefined
}

/**
 * Grants in one SQLite file, for any number of processes on one machine. Every commit is on disk before it counts
 * (WAL, `synchronous=FULL`).
 *
 * Opening throws `wrong_encryption_key`, `key_file_unreadable`, `key_file_too_open`, `store_newer`, `store_damaged`,
 * `store_unavailable`.
 */
export function sqliteStore(file: string, options: SqliteStoreOptions = {}): StoreOpener {
  return { open: async () => openSqlite(path.resolve(file), options) }
}

/** How long one process waits for another's transaction; each takes a few milliseconds. */
const busyTimeout = 5_000

/**
 * Processes that start together may find the file locked in moments in which SQLite does not wait by itself: while one
 * of them switches it to WAL, or closes it as the last. Then opening begins anew.
 */
async function openSqlite(file: string, options: SqliteStoreOptions): Promise<GrantStore> {
  const givesUp = performance.now() + busyTimeout
  for (;;) {
    try {
      return openOnce(file, options)
    } catch (error) {
      if (!isBusy(error) || performance.now() > givesUp) throw storeError(error, file)
      await new Promise((resolve) => setTimeout(resolve, 5 + 20 * Math.random()))
    }
  }
}

function openOnce(file: string, options: SqliteStoreOptions): GrantStore {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  // SQLite would make it readable for everybody; its -wal and -shm files take their mode from this one. A file that is
  // there is never opened but by SQLite: closing it would drop the locks of another store in this process (POSIX).
  if (!existsSync(file)) make(file)
  const database = new DatabaseSync(file, { timeout: busyTimeout })
  try {
    refuseForeign(database, file)
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON',
    )
    migrate(database, file)
    const statements = new Statements(database)
    const storeId = setting(statements, 'store_id') as string
    const places = options.keys ?? [{ id: 'k1', file: `${file}.key` }]
    const keys = loadKeys(statements, storeId, file, places, options.onKeyCreated)
    return new SqliteStore(file, database, statements, storeId, keys, options.clock ?? systemClock)
  } catch (error) {
    database.close()
    throw error
  }
}

function make(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const isBusy = (error: unknown): boolean => ((error as { errcode?: number }).errcode ?? 0) % 256 === 5

interface Queued {
  readonly id: string
  readonly decide: (record: GrantRecord | undefined, moment: Moment) => Change<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

class SqliteStore implements GrantStore {
  readonly storeId: string
  readonly location: string
  readonly seal: GrantStore['seal']
  readonly #database: DatabaseSync
  readonly #statements: Statements
  readonly #clock: Clock
  readonly #anchor: { readonly boot: string; readonly offset: number }
  readonly #owners: string
  #owner: Owner | undefined
  #queue: Queued[] = []
  #version = 0
  #dataVersion = -1
  #open = true

  constructor(
    file: string,
    database: DatabaseSync,
    statements: Statements,
    storeId: string,
    keys: readonly MasterKey[],
    clock: Clock,
  ) {
    this.location = file
    this.storeId = storeId
    this.#database = database
    this.#statements = statements
    this.#clock = clock
    this.seal = aesSeal(storeId, keys)
    this.#owners = `${file}-owners`
    this.#anchor = this.#anchored()
  }

  /** Taken when first needed: reading a token needs none. */
  get owner(): string {
    this.#owner ??= takeOwner(this.#owners)
    return this.#owner.id
  }

  time(): StoreTime {
    return { at: Math.round(this.#clock.boot() + this.#anchor.offset), boot: this.#anchor.boot }
  }

  version(): number {
    const { data_version: seen } = this.#guarded(() => this.#statements.sql('PRAGMA data_version').get()) as {
      data_version: number
    }
    if (seen !== this.#dataVersion) {
      this.#dataVersion = seen
      this.#version += 1
    }
    return this.#version
  }

  async read(id: string) {
    return this.#guarded(() => this.#statements.load(id))
  }

  /** Everything asked for in one turn of the event loop shares one transaction, and so one wait for the disk. */
  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#queue.push({ id, decide, resolve: resolve as Queued['resolve'], reject })
      if (this.#queue.length === 1) queueMicrotask(() => this.#flush())
    })
  }

  #flush(): void {
    const batch = this.#queue
    this.#queue = []
    const done: (() => void)[] = []
    try {
      this.#transaction(() => {
        const moment: Moment = {
          time: this.time(),
          isDead: (owner) => owner !== this.#owner?.id && isDead(this.#owners, owner),
        }
        for (const queued of batch) done.push(this.#decided(queued, moment))
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
      return
    }
    for (const settle of done) settle()
  }

  #decided({ id, decide, resolve, reject }: Queued, moment: Moment): () => void {
    const before = this.#statements.load(id)
    let change: Change<unknown>
    try {
      change = decide(before, moment)
    } catch (error) {
      return () => reject(error)
    }
    if (change.record === null) this.#statements.remove(id)
    else if (change.record !== undefined) this.#statements.save(before, change.record)
    return () => resolve(change.result)
  }

  async due(limit: number): Promise<readonly string[]> {
    return this.#guarded(() => {
      this.#takeOverFromTheDead()
      const { at } = this.time()
      return this.#statements
        .sql('SELECT grant_id FROM schedule WHERE due_at <= ? ORDER BY due_at LIMIT ?')
        .all(at, limit)
        .map((row) => String(row.grant_id))
    })
  }

  async nextDue(): Promise<number | undefined> {
    return this.#guarded(() => {
      const row = this.#statements
        .sql('SELECT due_at FROM schedule WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1')
        .get()
      return row === undefined ? undefined : Number(row.due_at)
    })
  }

  async list({ after = '', limit = 1000 }: { after?: string | undefined; limit?: number | undefined } = {}) {
    return this.#guarded(() => this.#statements.page(after, limit))
  }

  async putConsent(consent: Parameters<GrantStore['putConsent']>[0]): Promise<void> {
    this.#transaction(() => {
      this.#statements.sql('DELETE FROM consents WHERE expires_at <= ?').run(this.#clock.now())
      this.#statements
        .sql('INSERT INTO consents (state_hash, grant_id, sealed, expires_at) VALUES (?, ?, ?, ?)')
        .run(consent.stateHash, consent.grant, consent.sealed, Math.round(consent.expiresAt))
    })
  }

  async takeConsent(stateHash: string) {
    return this.#transaction(() => {
      const row = this.#statements
        .sql('DELETE FROM consents WHERE state_hash = ? RETURNING grant_id, sealed, expires_at')
        .get(stateHash)
      if (row === undefined) return undefined
      return {
        stateHash,
        grant: String(row.grant_id),
        sealed: row.sealed as Uint8Array,
        expiresAt: Number(row.expires_at),
      }
    })
  }

  async putApiKey(key: Parameters<GrantStore['putApiKey']>[0]): Promise<void> {
    this.#transaction(() => {
      this.#statements
        .sql('INSERT OR REPLACE INTO api_keys (id, label, rights, hash, created_at) VALUES (?, ?, ?, ?, ?)')
        .run(key.id, key.label, key.rights, key.hash, Math.round(key.createdAt))
    })
  }

  async findApiKey(id: string) {
    return this.#guarded(() => {
      const row = this.#statements.sql('SELECT * FROM api_keys WHERE id = ?').get(id)
      if (row === undefined) return undefined
      return {
        id,
        label: String(row.label),
        rights: row.rights === 'administer' ? ('administer' as const) : ('read' as const),
        hash: String(row.hash),
        createdAt: Number(row.created_at),
      }
    })
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    this.#database.close()
    this.#owner?.release()
  }

  /**
   * The store's clock: UTC as it was when the first process of this boot opened the store, moved on by the boot
   * clock. Processes agree on it, setting the wall clock does not move it, and due times outlive a reboot.
   */
  #anchored(): { boot: string; offset: number } {
    const boot = this.#clock.bootId
    const read = (): { boot: string; offset: number } | undefined => {
      const text = setting(this.#statements, 'clock')
      const anchor = text === undefined ? undefined : (JSON.parse(text) as { boot: string; offset: number })
      return anchor?.boot === boot ? anchor : undefined
    }
    return (
      read() ??
      this.#transaction(() => {
        const made = read()
        if (made !== undefined) return made
        const anchor = { boot, offset: Math.round(this.#clock.now() - this.#clock.boot()) }
        this.#statements
          .sql('INSERT OR REPLACE INTO store (name, value) VALUES (?, ?)')
          .run('clock', JSON.stringify(anchor))
        return anchor
      })
    )
  }

  /** A grant whose worker died is due now, not when its lease would have ended. */
  #takeOverFromTheDead(): void {
    const owners = this.#statements
      .sql('SELECT DISTINCT owner FROM schedule WHERE owner IS NOT NULL')
      .all()
      .map((row) => String(row.owner))
    const dead = owners.filter((owner) => owner !== this.#owner?.id && isDead(this.#owners, owner))
    if (dead.length === 0) return
    const { at } = this.time()
    this.#transaction(() => {
      for (const owner of dead)
        this.#statements
          .sql(
            'UPDATE schedule SET due_at = min(due_at, ?), owner = NULL, lease_until = NULL WHERE owner = ?',
          )
          .run(at, owner)
    })
    sweep(this.#owners, new Set(owners.filter((owner) => !dead.includes(owner))))
  }

  #transaction<T>(work: () => T): T {
    return this.#guarded(() => {
      this.#database.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#database.exec('COMMIT')
        this.#version += 1
        return result
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  #guarded<T>(work: () => T): T {
    if (!this.#open) throw new EvertokenError('closed', `the store ${this.location} is closed`)
    try {
      return work()
    } catch (error) {
      throw storeError(error, this.location)
    }
  }
}
