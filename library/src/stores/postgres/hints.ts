import type { Connections, OwnConnection } from './connections.ts'
import type { Transactions } from './transactions.ts'

/** Milliseconds between two notifications of one process: each is a commit, and PostgreSQL does those one by one. */
const rest = 20
const longestWait = 30_000

export interface HintsOptions {
  readonly transactions: Transactions
  readonly connections: Connections
  /** The channel. */
  readonly schema: string
}

/**
 * LISTEN and NOTIFY, so that others look sooner than they would by themselves. Nothing depends on it: a notification that
 * is lost costs the time until the next look. Sent after the commit, on its own: within it, commits would wait for each
 * other.
 */
export class Hints {
  readonly #options: HintsOptions
  readonly #listeners = new Set<() => void>()
  /** In what we tell, so that we do not listen to ourselves. */
  readonly #self = crypto.randomUUID()
  #connection: OwnConnection | undefined
  #connecting = false
  #closed = false
  #pooled = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  /** Of the monotonic clock, ms. */
  #toldAt = Number.NEGATIVE_INFINITY
  #telling: NodeJS.Timeout | undefined

  constructor(options: HintsOptions) {
    this.#options = options
  }

  tell(): void {
    if (this.#closed || this.#telling !== undefined) return
    const soon = this.#toldAt + rest - performance.now()
    if (soon <= 0) this.#notify()
    else this.#telling = setTimeout(() => this.#notify(), soon).unref()
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    void this.#connect()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) void this.#disconnect()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#telling)
    await this.#disconnect()
  }

  #notify(): void {
    const { transactions, schema } = this.#options
    this.#telling = undefined
    this.#toldAt = performance.now()
    transactions
      .query({ text: 'SELECT pg_notify($1, $2)', values: [schema, this.#self] })
      .catch(() => undefined)
  }

  async #connect(): Promise<void> {
    if (this.#closed || this.#pooled || this.#connecting || this.#connection !== undefined) return
    this.#connecting = true
    const { connections, schema } = this.#options
    const connection = connections.own()
    const lost = (): void => {
      if (this.#connection === connection) this.#connection = undefined
      void connection.end().catch(() => undefined)
      this.#connectLater()
    }
    connection.on('error', lost)
    try {
      await connection.connect()
      // Behind a transaction pooler the session that listens would not stay ours; there polling is all there is.
      const { rows } = await connection.query({ text: 'SELECT pg_backend_pid()', rowMode: 'array' })
      this.#pooled = connection.processID !== rows[0]?.[0]
      if (!this.#pooled) {
        connection.on('notification', ({ payload }) => {
          if (payload !== this.#self) for (const listener of this.#listeners) listener()
        })
        connection.on('end', lost)
        await connection.query({ text: `LISTEN "${schema}"`, rowMode: 'array' })
      }
      // The store may have been closed meanwhile.
      if (this.#pooled || this.#closed || this.#listeners.size === 0) return await connection.end()
      // Whoever only listens may end.
      connection.unref()
      this.#connection = connection
      this.#failures = 0
    } catch {
      lost()
    } finally {
      this.#connecting = false
    }
  }

  #connectLater(): void {
    if (this.#closed || this.#listeners.size === 0 || this.#retry !== undefined) return
    this.#failures += 1
    const wait = Math.random() * Math.min(longestWait, 100 * 2 ** this.#failures)
    this.#retry = setTimeout(() => {
      this.#retry = undefined
      void this.#connect()
    }, wait)
    this.#retry.unref()
  }

  async #disconnect(): Promise<void> {
    clearTimeout(this.#retry)
    this.#retry = undefined
    const connection = this.#connection
    this.#connection = undefined
    await connection?.end().catch(() => undefined)
  }
}
