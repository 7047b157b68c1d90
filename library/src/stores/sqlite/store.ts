import path from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { type Clock, systemClock } from '../../clock.ts'
import { EvertokenError } from '../../errors.ts'
import type { Circuit, CircuitChange } from '../../grants/circuit.ts'
import type { GrantRecord } from '../../grants/grant.ts'
import { aesSeal } from '../../grants/seal.ts'
import type {
  ApiKey,
  Change,
  Consent,
  GrantStore,
  Moment,
  StoreOpener,
  StoreTime,
} from '../../grants/store.ts'
import type { FaultPoint, HostSpool } from '../spool/spool.ts'
import { AttachedSpool } from './attached-spool.ts'
import { changedSince, newestChange } from './changes.ts'
import { busyTimeout, isBusy, openDatabase, shortPause } from './database.ts'
import { dueGrants, holders, namedOwners, nextDue, releaseFrom } from './due-grants.ts'
import { type KeyPlace, loadKeys } from './master-keys.ts'
import * as registers from './registers.ts'
import { setSetting, setting } from './settings.ts'
import { Statements } from './statements.ts'
import { storeError } from './store-error.ts'

export { newMasterKey, readKeyFile, writeKeyFile } from './key-file.ts'

export interface SqliteStoreOptions {
  /**
   * Master keys; the first encrypts, all decrypt. Default: one key, `k1`, in a file beside the database with the
   * ending `.key`, made on first use with mode 0600.
   */
  keys?: readonly KeyPlace[] | undefined
  /**
   * The folder in which this host keeps answers until the store has them. Default: `<file>-spool`. Only for tests that
   * play several hosts on one machine: processes with different folders do not know whether the others are alive.
   */
  spool?: string | undefined
  clock?: Clock | undefined
  /** Told once when a key file was made: its path. Whoever loses that file loses every grant in the store. */
  onKeyCreated?: ((file: string) => void) | undefined
  /** Told once of each file in the spool that cannot be read as a whole. */
  onSpoolDamaged?: ((error: EvertokenError) => void) | undefined
  /**
   * For tests: called at `pre_transaction`, `pre_store_commit` and `post_store_commit`, and at `pre_spool`, `mid_spool`,
   * `post_spool_write` and `post_spool`.
   */
  faultPoint?: FaultPoint | undefined
}

/**
 * Grants in one SQLite file, for any number of processes on one machine, also in several containers that share the
 * folder. Every commit is on disk before it counts (WAL, `synchronous=FULL`). Beside the file stand the folder
 * `<file>-spool`, with the locks that tell who is alive, and the key file.
 *
 * Opening throws `wrong_encryption_key`, `key_file_unreadable`, `key_file_too_open`, `store_newer`, `store_damaged`,
 * `store_unavailable`: this one also on a network file system.
 */
export function sqliteStore(file: string, options: SqliteStoreOptions = {}): StoreOpener {
  if (typeof file !== 'string')
    throw new TypeError("sqliteStore takes the path of a file: sqliteStore('tokens.db')")
  return { open: async () => openSqlite(path.resolve(file), options) }
}

const openSqlite = (file: string, options: SqliteStoreOptions): Promise<GrantStore> => {
  const clock = options.clock ?? systemClock
  return openDatabase(file, clock.bootId, (database) => {
    const statements = new Statements(database)
    const storeId = setting(statements, 'store_id') as string
    const places = options.keys ?? [{ id: 'k1', file: `${file}.key` }]
    const seal = aesSeal(storeId, loadKeys(statements, storeId, file, places, options.onKeyCreated))
    return new SqliteStore(file, database, statements, storeId, seal, clock, options)
  })
}

/** Milliseconds: what a transaction of another process usually takes. */
const shortWait = 10
/** A process that gets little of the processor has not waited for long because the time is over. */
const fewestTries = 100

/** A decision that throws concerns one caller, a write that fails all who share the transaction. */
interface Decided<R> {
  readonly result: R
  readonly write?: () => void
}

interface Queued {
  /** Gives back how to say what came of it, once that is durable. */
  readonly run: (moment: Moment) => () => void
  readonly reject: (error: unknown) => void
}

class SqliteStore implements GrantStore {
  readonly storeId: string
  readonly location: string
  readonly seal: GrantStore['seal']
  readonly #database: DatabaseSync
  readonly #statements: Statements
  readonly #clock: Clock
  readonly #faultPoint: FaultPoint | undefined
  readonly #anchor: { readonly boot: string; readonly offset: number }
  readonly #attached: AttachedSpool
  readonly #queue: Queued[] = []
  /**
   * Grants that this process has claimed, as it wrote them: between claim and commit their rows are read two times more.
   * Good until another process writes; empty after a transaction that came to nothing.
   */
  readonly #underWay = new Map<string, GrantRecord>()
  /** Undefined after a write, until somebody asks. */
  #version: number | undefined
  #dataVersion = -1
  #open = true

  constructor(
    file: string,
    database: DatabaseSync,
    statements: Statements,
    storeId: string,
    seal: GrantStore['seal'],
    clock: Clock,
    { spool, onSpoolDamaged, faultPoint }: SqliteStoreOptions,
  ) {
    this.location = file
    this.storeId = storeId
    this.seal = seal
    this.#database = database
    this.#statements = statements
    this.#clock = clock
    this.#faultPoint = faultPoint
    this.#anchor = this.#anchored()
    this.#attached = new AttachedSpool({
      file,
      folder: spool === undefined ? undefined : path.resolve(spool),
      statements,
      storeId,
      seal,
      bootId: clock.bootId,
      now: () => clock.now(),
      boot: () => clock.boot(),
      transaction: (work) => this.#transaction(work),
      onDamaged: onSpoolDamaged,
      faultPoint,
    })
  }

  /** Taken when first needed: reading a token needs none. */
  get owner(): string {
    return this.#guarded(() => this.#attached.get().owner)
  }

  get spool(): HostSpool {
    return this.#guarded(() => this.#attached.get())
  }

  get foreign(): string | undefined {
    return this.#guarded(() => this.#attached.foreign)
  }

  async adopt(): Promise<void> {
    this.#guarded(() => this.#attached.adopt())
  }

  time(): StoreTime {
    return { at: Math.round(this.#clock.boot() + this.#anchor.offset), boot: this.#anchor.boot }
  }

  version(): number {
    return this.#guarded(() => {
      this.#hear()
      this.#version ??= newestChange(this.#statements)
      return this.#version
    })
  }

  changedSince(version: number) {
    return this.#guarded(() => changedSince(this.#statements, version))
  }

  /** Whether others have written, which takes a microsecond; what they wrote is looked up by whoever wants to know. */
  #hear(): void {
    const { data_version: seen } = this.#statements.sql('PRAGMA data_version').get() as {
      data_version: number
    }
    if (seen === this.#dataVersion) return
    this.#dataVersion = seen
    this.#version = undefined
    this.#underWay.clear()
  }

  async read(id: string) {
    return this.#guarded(() => this.#statements.load(id))
  }

  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R> {
    return this.#queued((moment) => this.#decided(id, (record) => decide(record, moment)))
  }

  updateCircuit<R>(
    key: string,
    decide: (circuit: Circuit | undefined, time: StoreTime) => CircuitChange<R>,
  ): Promise<R> {
    return this.#queued(({ time }) => {
      const { result, circuit } = decide(registers.readCircuit(this.#statements, key), time)
      if (circuit === undefined) return { result }
      return { result, write: () => registers.writeCircuit(this.#statements, key, circuit) }
    })
  }

  async updateDue<R>(
    limit: number,
    decide: (record: GrantRecord, moment: Moment) => Change<R>,
  ): Promise<readonly R[]> {
    const dead = this.#guarded(() => this.#dead())
    // Most of the time nothing is: then nobody is kept waiting.
    const due = (at: number, most: number) => this.#guarded(() => dueGrants(this.#statements, at, most))
    if (dead.length === 0 && due(this.time().at, 1).length === 0) return []
    const results = await this.#written(() => {
      const moment = this.#moment()
      const { at } = moment.time
      for (const owner of dead) releaseFrom(this.#statements, owner, at)
      return due(at, limit).map((id) => {
        const { result, write } = this.#decided(id, (record) => decide(record as GrantRecord, moment))
        write?.()
        return result
      })
    })
    if (dead.length > 0) this.#guarded(() => this.#attached.get().sweep(namedOwners(this.#statements)))
    return results
  }

  async nextDue(): Promise<number | undefined> {
    return this.#guarded(() => nextDue(this.#statements))
  }

  async list({ after = '', limit = 1000 }: { after?: string | undefined; limit?: number | undefined } = {}) {
    return this.#guarded(() => this.#statements.page(after, limit))
  }

  async superseded(id: string) {
    return this.#guarded(() => this.#statements.superseded(id, this.#clock.now()))
  }

  async notices({
    after = 0,
    limit = 1000,
  }: {
    after?: number | undefined
    limit?: number | undefined
  } = {}) {
    return this.#guarded(() => registers.noticesAfter(this.#statements, after, limit))
  }

  async readCircuit(key: string) {
    return this.#guarded(() => registers.readCircuit(this.#statements, key))
  }

  async attemptedFrom(spool: string) {
    return this.#guarded(() => registers.grantsAttemptedFrom(this.#statements, spool))
  }

  async spools() {
    return this.#guarded(() => registers.listSpools(this.#statements))
  }

  async retireSpool(id: string, utc: number): Promise<boolean> {
    return this.#written(() => registers.retireSpool(this.#statements, id, utc))
  }

  async putConsent(consent: Consent): Promise<void> {
    await this.#written(() => registers.putConsent(this.#statements, consent, this.#clock.now()))
  }

  async takeConsent(stateHash: string) {
    return this.#written(() => registers.takeConsent(this.#statements, stateHash))
  }

  async putApiKey(key: ApiKey): Promise<void> {
    await this.#written(() => registers.putApiKey(this.#statements, key))
  }

  async findApiKey(id: string) {
    return this.#guarded(() => registers.findApiKey(this.#statements, id))
  }

  async close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    this.#database.close()
    await this.#attached.close()
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
        setSetting(this.#statements, 'clock', JSON.stringify(anchor))
        return anchor
      })
    )
  }

  /** Read inside a transaction, in which the spool cannot be opened any more. */
  #moment(): Moment {
    return { time: this.time(), isGone: (owner) => this.#attached.opened?.isGone(owner) === true }
  }

  /** Everything asked for in one turn of the event loop shares one transaction, and so one wait for the disk. */
  #queued<R>(decide: (moment: Moment) => Decided<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const run = (moment: Moment): (() => void) => {
        let decided: Decided<R>
        try {
          decided = decide(moment)
        } catch (error) {
          return () => reject(error)
        }
        decided.write?.()
        return () => resolve(decided.result)
      }
      this.#queue.push({ run, reject })
      if (this.#queue.length === 1) setImmediate(() => void this.#flush())
    })
  }

  async #flush(): Promise<void> {
    let batch: Queued[] = []
    const takeAll = (): Queued[] => this.#queue.splice(0)
    let done: (() => void)[]
    try {
      this.#guarded(() => this.#attached.tryGet())
      done = await this.#written(() => {
        batch = takeAll()
        const moment = this.#moment()
        return batch.map(({ run }) => run(moment))
      })
    } catch (error) {
      for (const { reject } of [...batch, ...takeAll()]) reject(error)
      return
    }
    for (const settle of done) settle()
  }

  #decided<R>(id: string, decide: (record: GrantRecord | undefined) => Change<R>): Decided<R> {
    const before = this.#underWay.get(id) ?? this.#statements.load(id)
    const { result, record } = decide(before)
    if (record === undefined) return { result }
    const write = (): void => {
      if (record === null) this.#statements.remove(id)
      else this.#statements.save(before, record, this.#clock.now())
      if (record?.lease !== undefined && record.lease.owner === this.#attached.opened?.takenOwner)
        this.#underWay.set(id, record)
      else this.#underWay.delete(id)
    }
    return { result, write }
  }

  /** Processes that hold a grant and are gone. */
  #dead(): readonly string[] {
    const owners = holders(this.#statements)
    const spool = owners.length === 0 ? undefined : this.#attached.tryGet()
    return spool === undefined ? [] : owners.filter((owner) => spool.isGone(owner))
  }

  /**
   * A transaction for which others are waited for without holding up this process: while one of them takes its time, or is
   * stopped, answers still arrive, and are in the spool before anything else.
   */
  async #written<T>(work: () => T): Promise<T> {
    const givesUp = performance.now() + busyTimeout
    for (let tries = 1; ; tries += 1) {
      try {
        return this.#transaction(work, shortWait)
      } catch (error) {
        const { cause = error } = error as { cause?: unknown }
        if (!isBusy(cause) || (performance.now() > givesUp && tries >= fewestTries)) throw error
      }
      await shortPause()
    }
  }

  /** @param patience milliseconds for which SQLite itself waits, and nothing else in this process goes on. */
  #transaction<T>(work: () => T, patience = busyTimeout): T {
    return this.#guarded(() => {
      this.#faultPoint?.('pre_transaction')
      this.#begin(patience)
      try {
        // Others may have written since, and cannot any more.
        this.#hear()
        const result = work()
        const beaten = this.#attached?.beat()
        this.#faultPoint?.('pre_store_commit')
        this.#database.exec('COMMIT')
        this.#faultPoint?.('post_store_commit')
        this.#version = undefined
        beaten?.()
        return result
      } catch (error) {
        this.#underWay.clear()
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
        throw error
      }
    })
  }

  #begin(patience: number): void {
    const wait = (ms: number): void => {
      if (patience !== busyTimeout) this.#database.exec(`PRAGMA busy_timeout = ${ms}`)
    }
    wait(patience)
    try {
      this.#database.exec('BEGIN IMMEDIATE')
    } finally {
      wait(busyTimeout)
    }
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
