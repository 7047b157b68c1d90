import { EvertokenError } from '../../errors.ts'
import type { GrantRecord } from '../../grants/grant.ts'
import type { Change, Moment } from '../../grants/store.ts'
import { Changes } from './changes.ts'
import { recordFrom } from './columns.ts'
import type { Answer, Row } from './connections.ts'
import { isText, jsonText } from './json-text.ts'
import type { Statement, Statements } from './statements.ts'
import { isOfOneRow } from './store-error.ts'
import type { Transactions } from './transactions.ts'

interface Queued {
  readonly decide: (record: GrantRecord | undefined, moment: Moment) => Change<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

export interface UpdatesOptions {
  readonly transactions: Transactions
  readonly statements: Statements
  /** UTC, milliseconds. */
  readonly utc: () => number
  readonly moment: (said: Said) => Moment
  /** Whether what that server has was compared with what this host knows, or nobody means to. */
  readonly trusts: (said: Said) => boolean
  /** A transaction has committed in which another process may be interested. */
  readonly onAwaited: () => void
}

/** Grants in one transaction; more wait for the next lane. */
const largestBatch = 256

/**
 * Decisions on grants. Those that are asked for while all lanes are at work share the next transaction, and so one wait for
 * the disk; a grant is in one transaction of this process at a time, so that none waits for another of us.
 */
export class Updates {
  readonly #options: UpdatesOptions
  readonly #queue = new Map<string, Queued[]>()
  readonly #underWay = new Set<string>()
  #scheduled = false
  #closed: EvertokenError | undefined

  constructor(options: UpdatesOptions) {
    this.#options = options
    options.transactions.onFree = () => this.#schedule()
  }

  update<R>(id: string, decide: (record: GrantRecord | undefined, moment: Moment) => Change<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      if (!isText(id))
        return reject(new EvertokenError('invalid_grant_id', 'a grant id has no such characters'))
      const queued: Queued = { decide, resolve: resolve as Queued['resolve'], reject }
      const before = this.#queue.get(id)
      if (before === undefined) this.#queue.set(id, [queued])
      else before.push(queued)
      this.#schedule()
    })
  }

  /**
   * Runs `decide` on what is due and free, in the order of the port, at most `limit`. On nothing where another server speaks than
   * before: its rows may hold refresh tokens that are spent, and whoever drains the spool next finds that out.
   */
  async updateDue<R>(
    limit: number,
    decide: (record: GrantRecord, moment: Moment) => Change<R>,
  ): Promise<readonly R[]> {
    const { transactions, statements, utc, moment, trusts, onAwaited } = this.#options
    const { results, awaited, thrown } = await transactions.run({
      first: [{ text: statements.lockDue, values: [limit] }],
      decide: async ([due], send) => {
        const ids = (due as Answer).rows.map(([id]) => String(id))
        const results: R[] = []
        const changes = new Changes(utc())
        if (ids.length === 0) return { result: { results, awaited: false, thrown: [] }, writes: [] }
        const [loaded] = await send([{ text: statements.load, values: [ids] }])
        const { said, records } = loadedFrom(loaded as Answer)
        if (!trusts(said)) {
          moment(said)
          return { result: { results, awaited: false, thrown: [] }, writes: [] }
        }
        try {
          for (const id of ids) {
            const before = records.get(id) as GrantRecord
            const { result, record } = decide(before, moment(said))
            results.push(result)
            if (record !== undefined) changes.add([before, record ?? undefined], record === null)
          }
        } catch (error) {
          // It is the caller's, and none of the database's errors.
          return { result: { results, awaited: false, thrown: [error] }, writes: [] }
        }
        const writes = writesOf(changes, statements)
        return { result: { results, awaited: changes.awaited, thrown: [] }, writes }
      },
    })
    if (thrown.length > 0) throw thrown[0]
    if (awaited) onAwaited()
    return results
  }

  /** What has not begun is refused. */
  close(error: EvertokenError): void {
    this.#closed = error
    for (const queued of this.#queue.values()) for (const { reject } of queued) reject(error)
    this.#queue.clear()
  }

  /** A turn later, so that what is asked for in one turn is one transaction. */
  #schedule(): void {
    if (this.#scheduled || this.#queue.size === 0) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      while (this.#options.transactions.isFree) {
        const batch = this.#next()
        if (batch.size === 0) return
        void this.#run(batch)
      }
    })
  }

  #next(): Map<string, Queued[]> {
    const batch = new Map<string, Queued[]>()
    for (const [id, queued] of this.#queue) {
      if (this.#underWay.has(id)) continue
      batch.set(id, queued)
      this.#queue.delete(id)
      this.#underWay.add(id)
      if (batch.size === largestBatch) break
    }
    return batch
  }

  async #run(batch: ReadonlyMap<string, readonly Queued[]>): Promise<void> {
    const { transactions, statements, onAwaited } = this.#options
    const ids = [...batch.keys()]
    try {
      const { settle, left, awaited } = await transactions.run({
        first: [
          { text: statements.lock, values: [ids] },
          { text: statements.load, values: [ids] },
        ],
        decide: ([, loaded]) => {
          const result = this.#decided(batch, loaded as Answer)
          return { result, writes: writesOf(result.changes, statements) }
        },
      })
      for (const done of settle) done()
      for (const [id, queued] of left) this.#queue.set(id, [...queued, ...(this.#queue.get(id) ?? [])])
      if (awaited) onAwaited()
    } catch (error) {
      if (batch.size > 1 && isOfOneRow(error)) await this.#runApart(batch)
      else for (const queued of batch.values()) for (const { reject } of queued) reject(error)
    } finally {
      for (const id of ids) this.#underWay.delete(id)
      this.#schedule()
    }
  }

  /** Each in a transaction of its own, so that only the one that cannot be written is refused. */
  async #runApart(batch: ReadonlyMap<string, readonly Queued[]>): Promise<void> {
    for (const [id, queued] of batch) await this.#run(new Map([[id, queued]]))
  }

  #decided(batch: ReadonlyMap<string, readonly Queued[]>, loaded: Answer) {
    const { utc, moment: momentAt } = this.#options
    const { said, records } = loadedFrom(loaded)
    const moment = momentAt(said)
    const changes = new Changes(utc())
    const settle: (() => void)[] = []
    const left = new Map<string, readonly Queued[]>()
    for (const [id, all] of batch) {
      const steps: (GrantRecord | undefined)[] = [records.get(id)]
      let removed = false
      for (const [index, { decide, resolve, reject }] of all.entries()) {
        if (removed) {
          // What comes after it begins with nothing, in a transaction of its own.
          left.set(id, all.slice(index))
          break
        }
        try {
          const { result, record } = decide(steps.at(-1), moment)
          removed = record === null
          if (record !== undefined && record !== null) steps.push(record)
          settle.push(() => resolve(result))
        } catch (error) {
          settle.push(() => reject(error))
        }
      }
      changes.add(steps, removed)
    }
    return { changes, settle, left, awaited: changes.awaited }
  }
}

/** When and by which server something was said. */
export interface Said {
  readonly now: number
  readonly server: string
}

/** The records by id, out of {@link Statements.load}. */
export function loadedFrom({ rows }: Answer): { said: Said; records: Map<string, GrantRecord> } {
  const records = new Map<string, GrantRecord>()
  const said = { now: Number(rows[0]?.[0]), server: String(rows[0]?.[1]) }
  for (let from = 0; from < rows.length; ) {
    const id = rows[from]?.[2]
    let to = from + 1
    while (to < rows.length && rows[to]?.[2] === id) to += 1
    if (typeof id === 'string')
      records.set(id, recordFrom(rows.slice(from, to).map((row: Row) => row.slice(2))))
    from = to
  }
  return { said, records }
}

function writesOf(changes: Changes, sql: Statements): Statement[] {
  const writes: Statement[] = []
  const json = (text: string, rows: readonly unknown[]): void => {
    if (rows.length > 0) writes.push({ text, values: [jsonText(rows)] })
  }
  json(sql.insertGrants, sorted(changes.newGrants, 'id'))
  json(sql.insertSchedules, changes.newSchedules)
  json(sql.updateGrants, changes.grants)
  json(sql.updateLogins, changes.logins)
  json(sql.updateSchedules, changes.schedules)
  json(sql.removeTokens, changes.removedTokens)
  json(sql.putTokens, changes.tokens)
  json(sql.dropRegained, changes.regained)
  json(sql.putSuperseded, changes.superseded)
  if (changes.notices.length > 0) writes.push({ text: sql.lockNotices })
  json(sql.addNotices, changes.notices)
  const { removed } = changes
  if (removed.length > 0)
    writes.push({ text: sql.detachNotices, values: [removed] }, { text: sql.remove, values: [removed] })
  const forgotten = [...removed, ...changes.forgotten]
  if (forgotten.length > 0) writes.push({ text: sql.forgetSuperseded, values: [forgotten] })
  return writes
}

/** Two processes that add the same grants add them in the same order, and wait for each other instead of both for ever. */
const sorted = <R extends Readonly<Record<string, unknown>>>(rows: readonly R[], key: string): readonly R[] =>
  rows.toSorted((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1))
