import type { EvertokenError } from '../../errors.ts'
import type { Circuit, CircuitChange } from '../../grants/circuit.ts'
import type { StoreTime } from '../../grants/store.ts'
import { jsonText } from './json-text.ts'
import type { Statement, Statements } from './statements.ts'
import type { Transactions } from './transactions.ts'

interface Queued {
  readonly decide: (circuit: Circuit | undefined, time: StoreTime) => CircuitChange<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Decisions on circuits. All grants of a provider share one row, so what is asked for while a transaction on it is under
 * way shares the next: however many refreshes end in a moment, the row is locked twice.
 */
export class Circuits {
  readonly #transactions: Transactions
  readonly #statements: Statements
  readonly #time: (at: number) => StoreTime
  readonly #queues = new Map<string, Queued[]>()
  #closed: EvertokenError | undefined

  constructor(transactions: Transactions, statements: Statements, time: (at: number) => StoreTime) {
    this.#transactions = transactions
    this.#statements = statements
    this.#time = time
  }

  async read(key: string): Promise<Circuit | undefined> {
    const { rows } = await this.#transactions.query({ text: this.#statements.readCircuit, values: [key] })
    return (rows[0]?.[0] ?? undefined) as Circuit | undefined
  }

  update<R>(
    key: string,
    decide: (circuit: Circuit | undefined, time: StoreTime) => CircuitChange<R>,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      const queued: Queued = { decide, resolve: resolve as Queued['resolve'], reject }
      const queue = this.#queues.get(key)
      if (queue !== undefined) return void queue.push(queued)
      this.#queues.set(key, [queued])
      queueMicrotask(() => void this.#run(key))
    })
  }

  close(error: EvertokenError): void {
    this.#closed = error
    for (const queue of this.#queues.values()) for (const { reject } of queue.splice(0)) reject(error)
  }

  async #run(key: string): Promise<void> {
    const queue = this.#queues.get(key) ?? []
    while (queue.length > 0) {
      const batch = queue.splice(0)
      try {
        for (const done of await this.#decided(key, batch)) done()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#queues.delete(key)
  }

  #decided(key: string, batch: readonly Queued[]): Promise<readonly (() => void)[]> {
    const { makeCircuit, lockCircuit, putCircuit } = this.#statements
    return this.#transactions.run({
      first: [
        { text: makeCircuit, values: [key] },
        { text: lockCircuit, values: [key] },
      ],
      decide: ([, locked]) => {
        const [now, before] = locked?.rows[0] ?? []
        const time = this.#time(Number(now))
        let circuit = (before ?? undefined) as Circuit | undefined
        const settle: (() => void)[] = []
        for (const { decide, resolve, reject } of batch)
          try {
            const change = decide(circuit, time)
            circuit = change.circuit ?? circuit
            settle.push(() => resolve(change.result))
          } catch (error) {
            settle.push(() => reject(error))
          }
        const writes: Statement[] =
          circuit === (before ?? undefined) ? [] : [{ text: putCircuit, values: [key, jsonText(circuit)] }]
        return { result: settle, writes }
      },
    })
  }
}
