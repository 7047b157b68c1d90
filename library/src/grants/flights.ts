import { EvertokenError } from '../errors.ts'
import { keyOf, type Why } from './claim.ts'
import type { Listeners } from './events.ts'
import type { GrantRecord, TokenKey, TokenRow } from './grant.ts'
import { type RefreshContext, type Refreshed, refresh } from './refresh.ts'
import { summaryOf } from './summary.ts'

interface Flight {
  readonly key: TokenKey
  readonly result: Promise<Refreshed>
}

/** The refreshes of this process: one at a time for one grant, and what came of each is told. */
export class Flights {
  readonly #context: RefreshContext
  readonly #listeners: Listeners
  /** Told of a grant whose row this process has just changed. */
  readonly #changed: (id: string) => void
  readonly #underWay = new Map<string, Flight>()
  /** Why an answer in our hands could not be stored yet. */
  readonly #troubles = new Map<string, unknown>()

  constructor(
    context: Omit<RefreshContext, 'troubled'>,
    listeners: Listeners,
    changed: (id: string) => void,
  ) {
    this.#context = { ...context, troubled: (id, error) => this.#tellTrouble(id, error) }
    this.#listeners = listeners
    this.#changed = changed
  }

  /** Whoever comes while a refresh of the grant is under way takes its result, if it answers what was asked. */
  async refresh(id: string, why: Why): Promise<Refreshed> {
    const key = keyOf(why)
    for (let flight = this.#underWay.get(id); flight !== undefined; flight = this.#underWay.get(id)) {
      const result = await flight.result
      const asked = flight.key.scope === key.scope && flight.key.resource === key.resource
      if (asked && (result.kind === 'refreshed' || result.kind === 'failed')) return result
    }
    const result = this.#fly(id, why)
    this.#underWay.set(id, { key, result })
    return result
  }

  /** The error that keeps a new token, which is in our hands, out of the store. */
  trouble(id: string): unknown {
    return this.#troubles.get(id)
  }

  /** Resolves when every refresh that is under way now is over. */
  async landed(): Promise<void> {
    await Promise.allSettled(Array.from(this.#underWay.values(), ({ result }) => result))
  }

  tellRefreshed(record: GrantRecord, { scope, resource, generation, expiresAt, lifetime }: TokenRow): void {
    this.#listeners.emit('refreshed', { grant: record.id, scope, resource, generation, expiresAt, lifetime })
  }

  async #fly(id: string, why: Why): Promise<Refreshed> {
    try {
      const result = await refresh(this.#context, id, why)
      if (result.kind === 'refreshed' || result.kind === 'failed') this.#changed(id)
      this.#tell(id, result)
      return result
    } finally {
      this.#underWay.delete(id)
    }
  }

  #tell(id: string, result: Refreshed): void {
    if (result.kind === 'refreshed') {
      this.tellRefreshed(result.record, result.token)
      const { failuresBefore } = result
      if (failuresBefore > 0) this.#listeners.emit('recovered', { grant: id, failures: failuresBefore })
    } else if (result.kind === 'failed') {
      const { record, outcome } = result
      if (record?.status.state === 'reauthorization_required')
        this.#listeners.emit('reauthorization_required', { grant: id, reason: record.status.reason })
      else
        this.#listeners.emit('failing', {
          grant: id,
          code: outcome.failure.code,
          message: outcome.failure.message,
          failures: record?.schedule.failures ?? 0,
          nextAttemptAt: record === undefined ? undefined : this.#nextAttemptAt(record),
        })
    }
  }

  #nextAttemptAt(record: GrantRecord): number | undefined {
    const { clock, store } = this.#context
    return summaryOf(record, clock.now(), store.time()).nextAttemptAt
  }

  #tellTrouble(id: string, error: unknown): void {
    if (error === undefined) {
      this.#troubles.delete(id)
      return
    }
    this.#troubles.set(id, error)
    const known = error instanceof EvertokenError
    this.#listeners.emit('failing', {
      grant: id,
      code: known ? error.code : 'store_unavailable',
      message: `the new token cannot be stored yet: ${error instanceof Error ? error.message : String(error)}`,
      failures: 0,
      nextAttemptAt: undefined,
    })
  }
}
