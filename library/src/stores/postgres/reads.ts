import type { EvertokenError } from '../../errors.ts'
import type { GrantRecord } from '../../grants/grant.ts'
import { isText } from './json-text.ts'
import type { Statements } from './statements.ts'
import type { Transactions } from './transactions.ts'
import { loadedFrom, type Said } from './updates.ts'

interface Waiting {
  readonly resolve: (record: GrantRecord | undefined) => void
  readonly reject: (error: unknown) => void
}

/** Statements under way at a time. What is asked for meanwhile shares the next, and so needs no connection of its own. */
const mostUnderWay = 2

/** Reads grants; those that are asked for in one turn, or while the database is busy with others, in one statement. */
export class Reads {
  readonly #transactions: Transactions
  readonly #statements: Statements
  readonly #onSaid: (said: Said) => void
  #waiting = new Map<string, Waiting[]>()
  #underWay = 0
  #closed: EvertokenError | undefined

  /** @param onSaid told what time it was in the store, and of which server, as soon as it is known. */
  constructor(transactions: Transactions, statements: Statements, onSaid: (said: Said) => void) {
    this.#transactions = transactions
    this.#statements = statements
    this.#onSaid = onSaid
  }

  read(id: string): Promise<GrantRecord | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      if (!isText(id)) return resolve(undefined)
      const others = this.#waiting.get(id)
      if (others !== undefined) others.push({ resolve, reject })
      else this.#waiting.set(id, [{ resolve, reject }])
      if (this.#waiting.size === 1 && others === undefined) queueMicrotask(() => void this.#flush())
    })
  }

  async load(ids: readonly string[]): Promise<Map<string, GrantRecord>> {
    const answer = await this.#transactions.query({ text: this.#statements.load, values: [ids] })
    const { said, records } = loadedFrom(answer)
    this.#onSaid(said)
    return records
  }

  close(error: EvertokenError): void {
    this.#closed = error
    for (const all of this.#waiting.values()) for (const { reject } of all) reject(error)
    this.#waiting.clear()
  }

  async #flush(): Promise<void> {
    if (this.#underWay >= mostUnderWay || this.#waiting.size === 0) return
    const waiting = this.#waiting
    this.#waiting = new Map()
    this.#underWay += 1
    try {
      const records = await this.load([...waiting.keys()])
      for (const [id, all] of waiting) for (const { resolve } of all) resolve(records.get(id))
    } catch (error) {
      for (const all of waiting.values()) for (const { reject } of all) reject(error)
    } finally {
      this.#underWay -= 1
      void this.#flush()
    }
  }
}
