import type { Clock } from '../../clock.ts'
import { EvertokenError } from '../../errors.ts'
import type { Circuit, CircuitChange } from '../../grants/circuit.ts'
import type { GrantRecord } from '../../grants/grant.ts'
import type { SpoolEntry } from '../../grants/spool.ts'
import type { ApiKey, Change, Consent, GrantStore, Moment, StoreTime } from '../../grants/store.ts'
import type { HostSpool } from '../spool/spool.ts'
import { Circuits } from './circuits.ts'
import type { Connections } from './connections.ts'
import { Hints } from './hints.ts'
import { type Identity, settleIn } from './identity.ts'
import { Reads } from './reads.ts'
import { Registers } from './registers.ts'
import type { Statements } from './statements.ts'
import { StoreClock } from './store-clock.ts'
import type { Transactions } from './transactions.ts'
import { type Said, Updates } from './updates.ts'

export interface PostgresGrantsOptions {
  readonly location: string
  readonly seal: GrantStore['seal']
  readonly identity: Identity
  /** Reads it again. */
  readonly identify: () => Promise<Identity>
  readonly openSpool: (identity: Identity) => HostSpool
  readonly schema: string
  readonly open: Connections
  readonly transactions: Transactions
  readonly statements: Statements
  readonly clock: Clock
  /** Whether to listen for notifications. */
  readonly listens: boolean
}

/** Milliseconds between two looks: for workers of this host that are gone, for whose a copy is, for files nobody needs. */
const lookForGone = 200
const lookAgain = 1_000
const sweepEvery = 600_000

/** The store over an open database whose tables, keys and spool are as they must be. */
export class PostgresGrants implements GrantStore {
  readonly location: string
  readonly storeId: string
  readonly seal: GrantStore['seal']
  readonly onHint?: (listener: () => void) => () => void
  readonly #options: PostgresGrantsOptions
  readonly #transactions: Transactions
  readonly #statements: Statements
  readonly #clock: StoreClock
  readonly #updates: Updates
  readonly #reads: Reads
  readonly #circuits: Circuits
  readonly #registers: Registers
  readonly #hints: Hints
  #spool: HostSpool
  /** Why the database is not the store's own. */
  #copy: string | undefined
  #identifiedAt = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY
  #sweptAt = Number.NEGATIVE_INFINITY
  /** The one that spoke last, and the one whose rows were compared with what this host keeps. */
  #server = ''
  #comparedServer: string | undefined
  #closing: Promise<void> | undefined

  constructor(options: PostgresGrantsOptions) {
    const { transactions, statements, clock, open, schema } = options
    this.location = options.location
    this.storeId = options.identity.storeId
    this.seal = options.seal
    this.#spool = options.openSpool(options.identity)
    this.#options = options
    this.#copy = options.identity.foreign
    this.#transactions = transactions
    this.#statements = statements
    const storeClock = new StoreClock(clock)
    this.#clock = storeClock
    const seen = (at: number): StoreTime => {
      storeClock.seen(at)
      return storeClock.at(at)
    }
    this.#hints = new Hints({ transactions, connections: open, schema })
    const heard = ({ now, server }: Said): StoreTime => {
      this.#server = server
      return seen(now)
    }
    this.#reads = new Reads(transactions, statements, heard)
    this.#registers = new Registers(transactions, statements, () => clock.now())
    this.#circuits = new Circuits(transactions, statements, seen)
    this.#updates = new Updates({
      transactions,
      statements,
      utc: () => clock.now(),
      moment: (said): Moment => ({ time: heard(said), isGone: (owner) => this.#spool.isGone(owner) }),
      trusts: ({ server }) => this.#comparedServer === undefined || this.#comparedServer === server,
      onAwaited: () => this.#hints.tell(),
    })
    if (options.listens) this.onHint = (listener) => this.#hints.listen(listener)
  }

  /** What an open store knows of itself and the database of it. */
  async begin(): Promise<void> {
    await this.#reads.load([])
    await this.#register()
    await this.#transactions.query({ text: this.#statements.dropLanes })
  }

  get owner(): string {
    return this.#spool.owner
  }

  get spool(): HostSpool {
    return this.#spool
  }

  get foreign(): string | undefined {
    const why = this.#copy ?? this.#spool.foreign
    if (why !== undefined) this.#identifySoon()
    return why
  }

  time(): StoreTime {
    return this.#clock.now()
  }

  /** What others have changed is known by asking for it. */
  version(): undefined {
    this.#checkOpen()
  }

  read(id: string) {
    return this.#guarded(() => this.#reads.read(id))
  }

  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R> {
    return this.#guarded(() => this.#updates.update(id, decide))
  }

  updateDue<R>(limit: number, decide: (record: GrantRecord, moment: Moment) => Change<R>) {
    return this.#guarded(async () => {
      await this.#endLeasesOfTheGone()
      return this.#updates.updateDue(limit, decide)
    })
  }

  nextDue(): Promise<number | undefined> {
    return this.#guarded(async () => {
      const { rows } = await this.#query('nextDue')
      return rows[0] === undefined ? undefined : Number(rows[0][0])
    })
  }

  list({ after = '', limit = 1000 }: Parameters<GrantStore['list']>[0] = {}) {
    return this.#guarded(async () => {
      const { rows } = await this.#query('page', after, limit)
      const ids = rows.map(([id]) => String(id))
      const records = await this.#reads.load(ids)
      return ids.flatMap((id) => records.get(id) ?? [])
    })
  }

  superseded(id: string) {
    return this.#guarded(() => this.#registers.superseded(id))
  }

  notices(page: Parameters<GrantStore['notices']>[0] = {}) {
    return this.#guarded(() => this.#registers.notices(page))
  }

  updateCircuit<R>(
    key: string,
    decide: (circuit: Circuit | undefined, time: StoreTime) => CircuitChange<R>,
  ): Promise<R> {
    return this.#guarded(() => this.#circuits.update(key, decide))
  }

  readCircuit(key: string): Promise<Circuit | undefined> {
    return this.#guarded(() => this.#circuits.read(key))
  }

  attemptedFrom(spool: string) {
    return this.#guarded(() => this.#registers.attemptedFrom(spool))
  }

  spools() {
    return this.#guarded(() => this.#registers.spools())
  }

  retireSpool(id: string, utc: number) {
    return this.#guarded(() => this.#registers.retireSpool(id, utc))
  }

  adopt(): Promise<void> {
    return this.#guarded(async () => {
      // Where only the folder is another's, the hosts that belong to this store go on knowing it.
      const instanceId =
        this.#copy === undefined
          ? (await this.#options.identify()).instanceId
          : await settleIn(this.#transactions, this.#statements)
      this.#spool.adopt(instanceId)
      this.#copy = undefined
      await this.#register()
    })
  }

  /** Looks when another server speaks than before, and at first: a standby may have taken over. */
  regressions(): Promise<readonly SpoolEntry[]> {
    return this.#guarded(async () => {
      const server = this.#server
      if (this.#comparedServer === server || this.foreign !== undefined) return []
      // It may be a standby that has taken over, which other hosts then know by us, or another store altogether.
      if (this.#comparedServer !== undefined) this.#copy = (await this.#options.identify()).foreign
      if (this.#copy !== undefined) return []
      const { rows } = await this.#query('fences', this.#spool.keptGrants())
      const fences = new Map(rows.map(([id, fence]) => [String(id), Number(fence)]))
      const behind = this.#spool.kept(
        (grant, fence) => fence >= (fences.get(grant) ?? Number.POSITIVE_INFINITY),
      )
      const records = await this.#reads.load(behind.map(({ grant }) => grant))
      const lost: SpoolEntry[] = []
      for (const entry of behind) {
        const record = records.get(entry.grant)
        if (record !== undefined && !(await this.#has(record, entry))) lost.push(entry)
      }
      this.#comparedServer = server
      return lost
    })
  }

  /** A fence that is not ahead may be that of an answer which became a candidate, so the answer itself is looked for. */
  async #has(record: GrantRecord, { attempt, answered }: SpoolEntry): Promise<boolean> {
    const { refreshToken, token } = answered
    if (refreshToken === undefined)
      return record.tokens.some(
        ({ scope, resource, fence }) =>
          scope === token?.scope && resource === token.resource && fence >= attempt.fence,
      )
    const held = [
      record.refreshToken,
      record.previousRefreshToken,
      ...record.candidates.map((candidate) => candidate.refreshToken),
      ...(await this.#registers.superseded(record.id)),
    ]
    return held.some((one) => one?.fingerprint === refreshToken.fingerprint)
  }

  putConsent(consent: Consent) {
    return this.#guarded(() => this.#registers.putConsent(consent))
  }

  takeConsent(stateHash: string) {
    return this.#guarded(() => this.#registers.takeConsent(stateHash))
  }

  putApiKey(key: ApiKey) {
    return this.#guarded(() => this.#registers.putApiKey(key))
  }

  findApiKey(id: string) {
    return this.#guarded(() => this.#registers.findApiKey(id))
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      const closed = this.#closedError()
      this.#updates.close(closed)
      this.#reads.close(closed)
      this.#circuits.close(closed)
      await this.#transactions.drained()
      await this.#hints.close()
      await this.#options.open.close()
      await this.#spool.close()
    })()
    return this.#closing
  }

  /** A grant whose worker on this host is gone is due now, not when its lease would have ended. */
  async #endLeasesOfTheGone(): Promise<void> {
    const now = this.#options.clock.boot()
    if (now - this.#lookedAt < lookForGone) return
    this.#lookedAt = now
    const { rows } = await this.#query('leaseOwners')
    const gone = rows.map(([owner]) => String(owner)).filter((owner) => this.#spool.isGone(owner))
    if (gone.length > 0)
      await this.#transactions.run({
        first: [],
        decide: () => ({
          result: undefined,
          writes: [{ text: this.#statements.endLeases, values: [gone] }],
        }),
      })
    if (now - this.#sweptAt < sweepEvery) return
    this.#sweptAt = now
    const named = await this.#query('namedOwners')
    this.#spool.sweep(new Set(named.rows.map(([owner]) => String(owner))))
  }

  /** Another process may have adopted the store meanwhile. */
  #identifySoon(): void {
    const now = this.#options.clock.boot()
    if (now - this.#identifiedAt < lookAgain || this.#closing !== undefined) return
    this.#identifiedAt = now
    this.#options
      .identify()
      .then((identity) => {
        if (identity.foreign !== undefined || this.#closing !== undefined) return undefined
        const old = this.#spool
        const again = this.#options.openSpool(identity)
        if (again.foreign !== undefined) return undefined
        this.#spool = again
        this.#copy = undefined
        return old.close().then(() => this.#register())
      })
      .catch(() => undefined)
  }

  async #register(): Promise<void> {
    if (this.foreign !== undefined) return
    await this.#registers.seenSpool(this.#spool)
  }

  #query(name: keyof Statements, ...values: unknown[]) {
    return this.#transactions.query({ text: this.#statements[name], values })
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw this.#closedError()
  }

  #closedError(): EvertokenError {
    return new EvertokenError('closed', `the store ${this.location} is closed`)
  }

  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen()
    return work()
  }
}
