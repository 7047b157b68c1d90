import { EvertokenError } from '../errors.ts'
import { keyOf, type Why } from './claim.ts'
import type { Listeners } from './events.ts'
import { findToken, type GrantRecord, ownToken, type TokenKey, type TokenRow } from './grant.ts'
import { reauthorizationRequired } from './reading.ts'
import { type RefreshContext, type Refreshed, refresh, refreshDue } from './refresh.ts'
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
  /** Every refresh under way, those too that a worker began while a reader's was on its way to the claim. */
  readonly #all = new Set<Promise<Refreshed>>()
  /** Answers that are listened for after their deadline. */
  readonly #listening = new Set<Promise<void>>()
  /** Why an answer in our hands could not be stored yet. */
  readonly #troubles = new Map<string, unknown>()

  constructor(
    context: Omit<RefreshContext, 'troubled' | 'drained' | 'noticed' | 'listening'>,
    listeners: Listeners,
    changed: (id: string) => void,
  ) {
    this.#context = {
      ...context,
      troubled: (id, error) => this.#tellTrouble(id, error),
      drained: (record, before) => this.#tellDrained(record, before),
      listening: (id, heard) => this.#listen(id, heard),
      noticed: (grant, notice) => listeners.emit('notice', { ...notice, grant }),
    }
    this.#listeners = listeners
    this.#changed = changed
  }

  /** Whoever comes while a refresh of the grant is under way takes its result, if it answers what was asked. */
  async refresh(id: string, why: Why, looksFree = false): Promise<Refreshed> {
    const key = keyOf(why)
    let free = looksFree
    for (let flight = this.#underWay.get(id); flight !== undefined; flight = this.#underWay.get(id)) {
      const result = await flight.result
      free = false
      const asked = flight.key.scope === key.scope && flight.key.resource === key.resource
      if (asked && (result.kind === 'refreshed' || result.kind === 'failed')) return result
    }
    return this.#follow(id, key, refresh(this.#context, id, why, free))
  }

  /** Begins to refresh what is due, at most `limit` grants. */
  async refreshDue(
    limit: number,
  ): Promise<{ readonly looked: number; readonly begun: ReadonlyMap<string, Promise<Refreshed>> }> {
    const { looked, begun } = await refreshDue(this.#context, limit, (id) => this.#underWay.has(id))
    return {
      looked,
      begun: new Map(begun.map(({ id, result }) => [id, this.#follow(id, ownToken, result)])),
    }
  }

  /** The error that keeps a new token, which is in our hands, out of the store. */
  trouble(id: string): unknown {
    return this.#troubles.get(id)
  }

  /** Resolves when every refresh that is under way now is over. */
  async landed(): Promise<void> {
    await Promise.allSettled(this.#all)
  }

  /** Resolves when no late answer is listened for any more. */
  async heard(): Promise<void> {
    await Promise.all(this.#listening)
  }

  tellRefreshed(record: GrantRecord, { scope, resource, generation, expiresAt, lifetime }: TokenRow): void {
    this.#listeners.emit('refreshed', { grant: record.id, scope, resource, generation, expiresAt, lifetime })
  }

  /** Notices that `record` has and `before` had not. */
  tellNotices(record: GrantRecord, before: GrantRecord | undefined): void {
    if (before?.notices === record.notices) return
    const known = new Set(before?.notices.map(({ kind, at }) => `${kind} ${at}`))
    for (const notice of record.notices)
      if (!known.has(`${notice.kind} ${notice.at}`))
        this.#listeners.emit('notice', { ...notice, grant: record.id })
  }

  #listen(id: string, heard: Promise<Refreshed>): void {
    const told = heard
      .then((result) => {
        this.#changed(id)
        this.#tell(id, result)
      })
      // The store is closed, say: then whoever comes next finds the attempt as it stands.
      .catch(() => undefined)
      .finally(() => this.#listening.delete(told))
    this.#listening.add(told)
  }

  #follow(id: string, key: TokenKey, work: Promise<Refreshed>): Promise<Refreshed> {
    const result = work
      .then((result) => {
        if (result.kind === 'refreshed' || result.kind === 'failed' || result.kind === 'revocation')
          this.#changed(id)
        this.#tell(id, result)
        return result
      })
      .finally(() => {
        this.#all.delete(result)
        if (this.#underWay.get(id)?.result === result) this.#underWay.delete(id)
      })
    this.#all.add(result)
    if (!this.#underWay.has(id)) this.#underWay.set(id, { key, result })
    return result
  }

  #tell(id: string, result: Refreshed): void {
    switch (result.kind) {
      case 'refreshed': {
        const { record, before } = result
        this.tellRefreshed(record, result.token)
        const { failures } = before.schedule
        if (failures > 0) this.#listeners.emit('recovered', { grant: id, failures })
        this.tellNotices(record, before)
        return
      }
      case 'failed': {
        const { record, outcome, before } = result
        if (record?.status.state === 'reauthorization_required') {
          const { reason } = record.status
          const { advice } = reauthorizationRequired(record, reason)
          this.#listeners.emit('reauthorization_required', { grant: id, reason, advice })
        } else
          this.#listeners.emit('failing', {
            grant: id,
            code: outcome.failure.code,
            message: outcome.failure.message,
            failures: record?.schedule.failures ?? 0,
            nextAttemptAt: record === undefined ? undefined : this.#nextAttemptAt(record),
          })
        if (record !== undefined) this.tellNotices(record, before)
        return
      }
      case 'revocation': {
        const status = result.record?.status
        if (status?.state === 'revoked') {
          const { upstream, told } = status
          this.#listeners.emit('revoked', { grant: id, upstream, told })
        }
        return
      }
      case 'held':
      case 'backoff':
      case 'dead':
      case 'fresh':
        return
      default:
        result satisfies never
    }
  }

  #tellDrained(record: GrantRecord, before: GrantRecord): void {
    this.#changed(record.id)
    const token = record.tokens.find((row) => findToken(before, row)?.generation !== row.generation)
    if (token !== undefined) this.tellRefreshed(record, token)
    this.tellNotices(record, before)
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
