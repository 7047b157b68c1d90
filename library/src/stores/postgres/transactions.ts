import { EvertokenError } from '../../errors.ts'
import type { Answer, Connection, Connections, PostgresTimeouts } from './connections.ts'
import type { Statement, Statements } from './statements.ts'
import { isConflict, isLost, sqlStateOf, storeError } from './store-error.ts'

/** Called at each named moment of a transaction, so that a test can end the process just there. */
export type FaultPoint = (name: 'pre_transaction' | 'pre_store_commit' | 'post_store_commit') => void

export interface Written<T> {
  readonly result: T
  readonly writes: readonly Statement[]
}

/** A transaction: what it reads first, and what it makes of that. It may run again, so it changes nothing outside. */
export interface Work<T> {
  readonly first: readonly Statement[]
  decide(answers: readonly Answer[], send: Send): Promise<Written<T>> | Written<T>
}

/** Statements that are sent together, and wait for one way there and back where `pg` can pipeline. */
export type Send = (statements: readonly Statement[]) => Promise<readonly Answer[]>

export interface TransactionsOptions {
  readonly connections: Connections
  readonly statements: Statements
  readonly location: string
  /** How many may be under way at a time. */
  readonly lanes: number
  readonly timeouts: PostgresTimeouts
  readonly faultPoint?: FaultPoint | undefined
}

/** One transaction at a time, each with a number: the last that committed stands in the table of lanes. */
interface Lane {
  readonly id: string
  batch: number
}

/**
 * Transactions, each on a connection that may be another server session than the last one: nothing is left in a session.
 * One whose COMMIT got no answer is resolved and not guessed: with everything else it writes that it was the last of its
 * lane. That can be read on any connection, of any server that has the data, which a transaction's own number cannot:
 * after a crash or a failover another transaction may have it.
 */
export class Transactions {
  readonly #connections: Connections
  readonly #statements: Statements
  readonly #location: string
  readonly #timeout: number
  readonly #begin: Statement
  readonly #faultPoint: FaultPoint | undefined
  readonly #free: Lane[]
  readonly #waiting: ((lane: Lane) => void)[] = []
  readonly #lanes: number
  /** Told when a lane is free that nobody waits for. */
  onFree: () => void = () => undefined

  constructor({ connections, statements, location, lanes, timeouts, faultPoint }: TransactionsOptions) {
    const { statement = 15_000, idle = 5_000 } = timeouts
    this.#connections = connections
    this.#statements = statements
    this.#location = location
    this.#timeout = statement
    this.#faultPoint = faultPoint
    this.#lanes = lanes
    this.#free = Array.from({ length: lanes }, () => ({ id: crypto.randomUUID(), batch: 0 }))
    // Read committed, whatever the default: a statement after a wait for a lock must see what the other has committed.
    this.#begin = {
      text: `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT set_config('statement_timeout', '${whole(statement)}', true),
set_config('idle_in_transaction_session_timeout', '${whole(idle)}', true), set_config('synchronous_commit',
CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)`,
    }
  }

  get isFree(): boolean {
    return this.#free.length > 0
  }

  /**
   * One statement of its own, outside of a transaction; it may run twice.
   *
   * @throws EvertokenError `store_unavailable`, `store_damaged`, `disk_full`; so does `run`.
   */
  async query(statement: Statement): Promise<Answer> {
    try {
      return await this.#asked(statement)
    } catch (error) {
      throw storeError(error, this.#location)
    }
  }

  async #asked(statement: Statement): Promise<Answer> {
    const givesUp = performance.now() + this.#timeout / 2
    for (let tries = 1; ; tries += 1) {
      const connection = await this.#connections.connect()
      try {
        const answer = await ask(connection, statement)
        connection.release()
        return answer
      } catch (error) {
        this.#letGo(connection, error)
        if (tries > 2 || performance.now() > givesUp || !isLost(error)) throw error
      }
    }
  }

  /** Runs until it has committed, or cannot. */
  async run<T>(work: Work<T>): Promise<T> {
    const lane = this.#free.pop() ?? (await new Promise<Lane>((resolve) => this.#waiting.push(resolve)))
    try {
      return await this.#untilDone(lane, work)
    } catch (error) {
      throw storeError(error, this.#location)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) {
        this.#free.push(lane)
        this.onFree()
      } else next(lane)
    }
  }

  /** Waits for what is under way, and takes no more. */
  async drained(): Promise<void> {
    for (let taken = 0; taken < this.#lanes; taken += 1) {
      if (this.#free.pop() === undefined) await new Promise<Lane>((resolve) => this.#waiting.push(resolve))
    }
  }

  async #untilDone<T>(lane: Lane, work: Work<T>): Promise<T> {
    const givesUp = performance.now() + this.#timeout
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#once(lane, work)
      if ('result' in outcome) return outcome.result
      if (
        performance.now() > givesUp ||
        tries >= mostTries ||
        !(isLost(outcome.error) || isConflict(outcome.error))
      )
        throw outcome.error
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(100, 2 ** tries)))
    }
  }

  /** The error of a transaction of which nothing took effect; anything else is thrown. */
  async #once<T>(lane: Lane, work: Work<T>): Promise<{ readonly result: T } | { readonly error: unknown }> {
    this.#faultPoint?.('pre_transaction')
    const connection = await this.#connections.connect()
    const send: Send = (statements) => askAll(connection, statements)
    let written: Written<T>
    try {
      const [, ...answers] = await send([this.#begin, ...work.first])
      written = await work.decide(answers, send)
    } catch (error) {
      await this.#rollBack(connection, error)
      return { error }
    }
    const { result, writes } = written
    lane.batch += 1
    const mark = { text: this.#statements.markLane, values: [lane.id, lane.batch] }
    const last = writes.length === 0 ? [commit] : [...writes, mark, commit]
    this.#faultPoint?.('pre_store_commit')
    try {
      const answers = await send(last)
      if (answers.at(-1)?.command !== 'COMMIT') throw new Error('the server has rolled back')
      connection.release()
    } catch (error) {
      await this.#rollBack(connection, error)
      if (!isLost(error)) return { error }
      if (writes.length > 0 && !(await this.#hasCommitted(lane))) return { error }
    }
    this.#faultPoint?.('post_store_commit')
    return { result }
  }

  async #rollBack(connection: Connection, error: unknown): Promise<void> {
    if (isLost(error) || error instanceof EvertokenError) return this.#letGo(connection, error)
    try {
      await ask(connection, { text: 'ROLLBACK' })
      connection.release()
    } catch (second) {
      this.#letGo(connection, second)
    }
  }

  #letGo(connection: Connection, error: unknown): void {
    connection.release(isLost(error) || error instanceof EvertokenError)
  }

  /** @throws where it could not be found out in time: then nobody knows. */
  async #hasCommitted(lane: Lane): Promise<boolean> {
    const givesUp = performance.now() + this.#timeout
    for (let tries = 1; ; tries += 1) {
      let connection: Connection | undefined
      try {
        connection = await this.#connections.connect()
        const [, answer] = await askAll(connection, [
          this.#begin,
          { text: this.#statements.lastOfLane, values: [lane.id] },
          commit,
        ])
        connection.release()
        return answer?.rows[0]?.[0] === lane.batch
      } catch (error) {
        connection?.release(true)
        // The very first transaction makes that table.
        if (sqlStateOf(error) === '42P01') return false
        if (performance.now() > givesUp) throw error
        await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(1000, 20 * 2 ** tries)))
      }
    }
  }
}

/** Of one transaction that does not fit with what others do, or whose connection is lost again and again. */
const mostTries = 8

const commit: Statement = { text: 'COMMIT' }

const whole = (milliseconds: number): number => Math.max(1, Math.round(milliseconds))

const ask = (connection: Connection, { text, values }: Statement): Promise<Answer> =>
  connection.query(values === undefined ? { text, rowMode: 'array' } : { text, values, rowMode: 'array' })

/** All of them, and where they travel together all answers, so that none is left for whoever has the connection next. */
async function askAll(connection: Connection, statements: readonly Statement[]): Promise<readonly Answer[]> {
  if (connection.pipeline !== true) {
    const answers: Answer[] = []
    for (const statement of statements) answers.push(await ask(connection, statement))
    return answers
  }
  const outcomes = await Promise.allSettled(statements.map((statement) => ask(connection, statement)))
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}
